# Tests that are scripts: tests/NAME.sh, told by the environment where the program is.  A script says
# "N passed, N failed" at the end, for tools/test to add up.
add_executable(json_get support/json_get.c)
target_link_libraries(json_get PRIVATE PkgConfig::JANSSON flowrun_flags)

add_library(test_exits MODULE support/exits.c)
target_link_libraries(test_exits PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_exits PROPERTIES PREFIX "" SUFFIX ".so")
add_library(test_falls MODULE support/falls.c)
target_link_libraries(test_falls PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_falls PROPERTIES PREFIX "" SUFFIX ".so")

add_library(test_where MODULE support/where.c)
target_link_libraries(test_where PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_where PROPERTIES PREFIX "" SUFFIX ".so")

add_library(test_hangs MODULE support/hangs.c)
target_link_libraries(test_hangs PRIVATE flowrun_headers flowrun_flags)
set_target_properties(test_hangs PROPERTIES PREFIX "" SUFFIX ".so")

if(TARGET http.get)
  add_test(NAME scripts/http COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/http.sh)
  set_tests_properties(scripts/http PROPERTIES
    ENVIRONMENT "FLOWRUN=$<TARGET_FILE:flowrun>;SERVER=$<TARGET_FILE:demo_server>" TIMEOUT 120)
endif()

foreach(name IN ITEMS advise cli docs exec go_back graph_tests idle limits parts place resume why)
  add_test(NAME scripts/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh)
  set_tests_properties(scripts/${name} PROPERTIES
    ENVIRONMENT "FLOWRUN=$<TARGET_FILE:flowrun>;JSON_GET=$<TARGET_FILE:json_get>;EXITS=$<TARGET_FILE:test_exits>;FALLS=$<TARGET_FILE:test_falls>;WHERE=$<TARGET_FILE:test_where>;HANGS=$<TARGET_FILE:test_hangs>;HWLOC=$<BOOL:${HWLOC_FOUND}>;SANITIZE=${FLOWRUN_SANITIZE}"
    TIMEOUT 120)
endforeach()

# Bugs that are planted on purpose, to see whether the tests find them: tests/planted/run.
add_test(NAME planted COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/planted/applies.sh)
set_tests_properties(planted PROPERTIES TIMEOUT 120)

# Each stage type has a page that says what is so, with an example that runs.
file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/stages/*.md)
foreach(page IN LISTS pages)
  get_filename_component(type ${page} NAME_WLE)
  if(NOT type STREQUAL "README")
    add_test(NAME pages/${type} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/docs.sh ${page})
    set_tests_properties(pages/${type} PROPERTIES
      ENVIRONMENT "FLOWRUN=$<TARGET_FILE:flowrun>" TIMEOUT 120)
  endif()
endforeach()
add_test(NAME scripts/stage_pages COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/stage_pages.sh)
set_tests_properties(scripts/stage_pages PROPERTIES
  ENVIRONMENT "FLOWRUN=$<TARGET_FILE:flowrun>" TIMEOUT 120)

add_test(NAME scripts/new COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/new.sh)
set_tests_properties(scripts/new PROPERTIES TIMEOUT 120
  ENVIRONMENT "FLOWRUN=$<TARGET_FILE:flowrun>;CC=${CMAKE_C_COMPILER};SANITIZE=${FLOWRUN_SANITIZE}")
