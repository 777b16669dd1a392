# cmake -DOUT=boot_sources.h -DFILES="a.py;b.py" -P embed_boot.cmake
# Writes the boot modules as C++ strings, in the order in which they run.
set(text "#pragma once\n\n// Made from interp/boot by embed_boot.cmake.\nnamespace moult {\n\n")
string(APPEND text "struct BootSource {\n  const char* name;\n  const char* text;\n};\n\n")
string(APPEND text "inline constexpr BootSource kBootSources[] = {\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} content)
  string(APPEND text "    {\"${name}\", R\"moult(${content})moult\"},\n")
endforeach()
string(APPEND text "};\n\n}  // namespace moult\n")
file(WRITE ${OUT} "${text}")
