# upkeep_man_page(SOURCE)
#
# SOURCE is mdoc, named NAME.SECTION. The version and the date are filled in, the page is put into
# man/manSECTION of the build folder, where `man -M build/dev/man SECTION NAME` finds it, and is
# installed. The test man.NAME.SECTION fails on whatever mandoc calls a warning or worse; matters of
# style are not fatal.
find_program(UPKEEP_MANDOC mandoc)

# SOURCE_DATE_EPOCH, where it is set, takes the place of the clock: same source, same page.
string(TIMESTAMP UPKEEP_MAN_DATE "%B %d, %Y" UTC)
string(REPLACE " 0" " " UPKEEP_MAN_DATE "${UPKEEP_MAN_DATE}")

function(upkeep_man_page source)
  cmake_path(GET source FILENAME name)
  cmake_path(GET source EXTENSION LAST_ONLY section)
  string(SUBSTRING ${section} 1 -1 section)
  set(page ${CMAKE_BINARY_DIR}/man/man${section}/${name})
  configure_file(${source} ${page} @ONLY)
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})

  if(UPKEEP_TESTS AND UPKEEP_MANDOC)
    add_test(NAME man.${name} COMMAND ${UPKEEP_MANDOC} -T lint -W warning ${page})
  elseif(UPKEEP_TESTS)
    add_test(NAME man.${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: no mandoc")
    set_tests_properties(man.${name} PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: no mandoc")
  endif()
endfunction()
