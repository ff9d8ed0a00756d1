# What every target of the project is compiled with.
add_library(flowrun_flags INTERFACE)
target_compile_definitions(flowrun_flags INTERFACE _GNU_SOURCE)
target_compile_options(flowrun_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wcast-qual -Wformat=2 -Wvla)
if(FLOWRUN_WERROR)
  target_compile_options(flowrun_flags INTERFACE -Werror)
endif()
if(FLOWRUN_SANITIZE)
  target_compile_options(flowrun_flags INTERFACE -fsanitize=${FLOWRUN_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(flowrun_flags INTERFACE -fsanitize=${FLOWRUN_SANITIZE})
  if(FLOWRUN_SANITIZE MATCHES "undefined")
    target_compile_options(flowrun_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()
