# What authors of plugins need: the headers that <flowrun/stage.h> is made of, the harness for tests, and
# files for pkg-config and CMake, which find all else from their own place, so that an installed tree
# may be moved or packaged.
set(headers ${CMAKE_SOURCE_DIR}/core/include/flowrun)
install(FILES ${headers}/stage.h ${headers}/testing.h ${headers}/param.h ${headers}/status.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/flowrun)

if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  set(pc_prefix "\${pcfiledir}/${up}")
endif()
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")

# Folders that are absolute stay as they are; the others start at the prefix.
foreach(folder IN ITEMS INCLUDEDIR LIBDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(pc_${folder} ${CMAKE_INSTALL_${folder}})
  else()
    set(pc_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()

foreach(name IN ITEMS flowrun flowrun-testing)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# The same for CMake, and for those who have flowrun's build folder but have not installed it: bin/
# there is in their PATH, and lib/cmake/ beside it is where CMake then looks.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/flowrun)
if(FLOWRUN_SANITIZE)
  set(config_options "\n        INTERFACE_LINK_OPTIONS -fsanitize=${FLOWRUN_SANITIZE}")
endif()

function(flowrun_package folder prefix include stages program testing)
  set(config_prefix ${prefix})
  set(config_include ${include})
  set(config_stages ${stages})
  set(config_program ${program})
  set(config_testing ${testing})
  configure_file(${CMAKE_SOURCE_DIR}/cmake/flowrunConfig.cmake.in ${folder}/flowrunConfig.cmake @ONLY)
  write_basic_package_version_file(${folder}/flowrunConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
endfunction()

if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(find_prefix "set(flowrun_PREFIX \"${CMAKE_INSTALL_PREFIX}\")")
else()
  file(RELATIVE_PATH up /${package} /)
  set(find_prefix "get_filename_component(flowrun_PREFIX \"\${CMAKE_CURRENT_LIST_DIR}/${up}\" ABSOLUTE)")
endif()
foreach(folder IN ITEMS INCLUDEDIR LIBDIR BINDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(at_${folder} ${CMAKE_INSTALL_${folder}})
  else()
    set(at_${folder} "\${flowrun_PREFIX}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
flowrun_package(${CMAKE_BINARY_DIR}/package "${find_prefix}" ${at_INCLUDEDIR}
  ${at_LIBDIR}/flowrun/stages ${at_BINDIR}/flowrun ${at_LIBDIR}/libflowrun-testing.a)
install(FILES ${CMAKE_BINARY_DIR}/package/flowrunConfig.cmake
              ${CMAKE_BINARY_DIR}/package/flowrunConfigVersion.cmake
  DESTINATION ${package})
flowrun_package(${CMAKE_BINARY_DIR}/lib/cmake/flowrun "# a build folder of flowrun"
  ${CMAKE_SOURCE_DIR}/core/include ${CMAKE_BINARY_DIR}/stages ${CMAKE_BINARY_DIR}/bin/flowrun
  ${CMAKE_BINARY_DIR}/tools/testing/libflowrun-testing.a)
