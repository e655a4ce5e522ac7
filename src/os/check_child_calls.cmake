# cmake -DNM=... -DOBJECTS=... -P check_child_calls.cmake
#
# Fails if child_setup.cc calls any library: a child that shares the manager's memory runs it.
# assume_identity() is for children with a memory of their own.
foreach(object IN LISTS OBJECTS)
  if(object MATCHES "/child_setup\\.cc\\.o$")
    execute_process(COMMAND ${NM} --undefined-only --demangle ${object}
                    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX REPLACE " +U upkeep::os::assume_identity[^\n]*\n" "" others "${symbols}")
    string(REGEX REPLACE " +U (_GLOBAL_OFFSET_TABLE_)\n" "" others "${others}")
    if(NOT others STREQUAL "")
      message(FATAL_ERROR "child_setup.cc calls what it must not:\n${others}")
    endif()
    set(seen TRUE)
  endif()
endforeach()
if(NOT seen)
  message(FATAL_ERROR "child_setup.cc is not among the objects")
endif()
