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
