# upkeep_layer(NAME [PURE] SOURCES ... LINKS ... TESTS ...)
#
# Makes the library upkeep_NAME from src/NAME. Its headers are reached as
# "NAME/x.h" through a folder that holds a link to this layer alone, so that an
# include of a layer that is not linked does not compile. PURE libraries are
# checked by the test "purity": they may not call the kernel or read a clock.
# TESTS become the program upkeep_NAME_test, its cases registered with CTest.
function(upkeep_layer name)
  cmake_parse_arguments(arg "PURE" "" "SOURCES;LINKS;TESTS;TEST_LINKS" ${ARGN})
  set(target upkeep_${name})
  set(view ${CMAKE_BINARY_DIR}/layers/${name})
  file(MAKE_DIRECTORY ${view})
  if(NOT EXISTS ${view}/${name})
    file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${name} SYMBOLIC)
  endif()

  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    target_include_directories(${target} PUBLIC ${view})
    target_link_libraries(${target} PUBLIC ${arg_LINKS})
    if(arg_PURE)
      set_property(GLOBAL APPEND PROPERTY UPKEEP_PURE_LIBRARIES ${target})
    endif()
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${view})
    target_link_libraries(${target} INTERFACE ${arg_LINKS})
  endif()

  if(UPKEEP_TESTS AND arg_TESTS)
    add_executable(${target}_test ${arg_TESTS})
    target_link_libraries(${target}_test PRIVATE ${target} ${arg_TEST_LINKS} GTest::gtest GTest::gtest_main)
    gtest_discover_tests(${target}_test TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120)
  endif()
endfunction()
