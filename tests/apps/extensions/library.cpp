// A library that an app loads by ctypes; built as two versions.
extern "C" int version() { return MOULT_LIBRARY_VERSION; }
