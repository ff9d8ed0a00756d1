# Tests that are scripts: tests/NAME.sh, told by the environment where the program is.  A script says
# "N passed, N failed" at the end, for tools/test to add up.
add_executable(json_get support/json_get.c)
target_link_libraries(json_get PRIVATE PkgConfig::JANSSON flowrun_flags)

add_library(test_exits MODULE support/exits.c)
target_link_libraries(test_exits PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_exits PROPERTIES PREFIX "" SUFFIX ".so")

add_library(test_where MODULE support/where.c)
target_link_libraries(test_where PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_where PROPERTIES PREFIX "" SUFFIX ".so")

add_library(test_hangs MODULE support/hangs.c)
target_link_libraries(test_hangs PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_hangs PROPERTIES PREFIX "" SUFFIX ".so")

foreach(name IN ITEMS advise cli docs go_back idle limits place resume why)
  add_test(NAME scripts/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh)
  set_tests_properties(scripts/${name} PROPERTIES
    ENVIRONMENT "FLOWRUN=$<TARGET_FILE:flowrun>;JSON_GET=$<TARGET_FILE:json_get>;EXITS=$<TARGET_FILE:test_exits>;WHERE=$<TARGET_FILE:test_where>;HANGS=$<TARGET_FILE:test_hangs>;HWLOC=$<BOOL:${HWLOC_FOUND}>;SANITIZE=${FLOWRUN_SANITIZE}"
    TIMEOUT 120)
endforeach()
