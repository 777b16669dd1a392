# cmake -DSOURCE=DIR -P check_layers.cmake: fails when an include goes up, by the floors below, or when a
# source is longer than 450 lines or reads JSON without the bound on its depth.
cmake_minimum_required(VERSION 3.25)
set(max_lines 450)
set(problems "")

# From the ground up; a folder may include itself and what stands before it in its list.
set(floors_ipc ipc/base ipc/uv ipc)
set(floors_control ipc/base ipc/uv ipc control control/ctl)
set(floors_daemon ipc/base ipc/uv ipc control daemon/config daemon/tree daemon/snapshot daemon/watch daemon/hosts
  daemon/serve daemon/route daemon/front daemon/front/cgi daemon/front/http daemon/moult daemon/apps daemon/methods daemon)
set(floors_interp ipc/base ipc interp/py interp/channel interp/threads interp/payload interp/imports interp/calls
  interp/boot interp/gateway interp/gateway/calls interp/gateway/wsgi interp/host)
# Two folders on one floor: each may include the other.
set(beside_daemon/methods daemon)  # a method is asked of the daemon, which has the list of them
set(beside_interp/calls interp/boot)  # `Natives` hold the interpreter's calls
set(beside_interp/channel interp/threads)  # a stall is an event, and a fork closes pipes
set(beside_interp/calls/scratch_functions.cpp interp/host)

# Of `interp/a/b.h`: interp/a.
function(folder_of PATH OUT)
  string(REGEX REPLACE "/[^/]*$" "" folder ${PATH})
  set(${OUT} ${folder} PARENT_SCOPE)
endfunction()

foreach(folder ipc control daemon interp tests)
  file(GLOB_RECURSE sources RELATIVE ${SOURCE} ${SOURCE}/${folder}/*.h ${SOURCE}/${folder}/*.cpp)
  foreach(source ${sources})
    folder_of(${source} layer)
    list(FIND floors_${folder} ${layer} floor)
    if(floor EQUAL -1 AND NOT folder STREQUAL "tests")
      list(APPEND problems "${source}: the folder has no floor")
    endif()
    file(READ ${SOURCE}/${source} text)
    string(REGEX REPLACE "[^\n]" "" newlines "${text}")
    string(LENGTH "${newlines}" lines)
    if(lines GREATER max_lines)
      list(APPEND problems "${source}: ${lines} lines, at most ${max_lines}")
    endif()
    string(REGEX MATCHALL "#include \"[^\"]+\"" includes "${text}")
    foreach(include ${includes})
      string(REGEX REPLACE "#include \"([^\"]+)\"" "\\1" target ${include})
      folder_of(${target} below)
      list(FIND floors_${folder} ${below} target_floor)
      if(folder STREQUAL "tests" OR NOT target MATCHES "^(ipc|control|daemon|interp)/" OR target MATCHES "boot_sources.h$")
        continue()
      endif()
      if((target_floor EQUAL -1 OR target_floor GREATER floor) AND NOT below IN_LIST beside_${layer}
         AND NOT below IN_LIST beside_${source})
        list(APPEND problems "${source}: includes ${target}, which lies above it")
      endif()
    endforeach()
    if(folder MATCHES "^(daemon|control|ipc)$" AND text MATCHES "#include <Python.h>")
      list(APPEND problems "${source}: includes Python.h, which only interp/ may")
    endif()
    if(NOT source STREQUAL "ipc/base/json.cpp" AND NOT folder STREQUAL "tests" AND text MATCHES "[Jj]son::(parse|accept|sax_parse)\\(")
      list(APPEND problems "${source}: reads JSON past ipc/base/json.h, which bounds its depth")
    endif()
    if(NOT layer STREQUAL "ipc/uv" AND NOT folder STREQUAL "tests" AND text MATCHES "#include <uv.h>")
      list(APPEND problems "${source}: includes uv.h, which only ipc/uv/ may")
    endif()
  endforeach()
endforeach()

if(problems)
  list(JOIN problems "\n  " text)
  message(FATAL_ERROR "layers:\n  ${text}")
endif()
