# SPDX-License-Identifier: MIT
import flowrun_stage

flowrun_stage.answer(lambda record: record.upper())
