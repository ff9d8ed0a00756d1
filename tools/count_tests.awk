# SPDX-License-Identifier: MIT
#
# Add up the tests in a log of ctest.  A cmocka program counts its own tests and a script says
# "N passed, N failed"; a program that does neither is one test.  A program that failed without
# counting a failure, such as one that crashed, is one failure.  Exits with 1 if anything failed.

function finish(failed_by_ctest)
{
    if (failed_by_ctest && failed == 0)
        failed = 1
    if (!failed_by_ctest && passed + failed == 0)
        passed = 1
    all_passed += passed
    all_failed += failed
    passed = failed = 0
}

/^\[  PASSED  \] [0-9]+ test\(s\)/ { passed += $4 }
/^\[  FAILED  \] [0-9]+ test\(s\)/ { failed += $4 }
/^[0-9]+ passed, [0-9]+ failed$/   { passed += $1; failed += $3 }
/^Test Passed\.$/                  { finish(0) }
/^Test Failed\.$/                  { finish(1) }

END {
    printf "%d passed, %d failed\n", all_passed, all_failed
    exit all_failed > 0 || all_passed == 0
}
