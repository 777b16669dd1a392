#pragma once

#include <string_view>

namespace moult {

enum class PathType { file, folder };

// Names of files that programs write beside an app's files and that are never part of it: editors'
// swap and backup files, byte code, journals of databases, half-finished uploads. Returns the rule
// that names it ("editor's file", "database journal"), "" when there is none. Pure.
std::string_view noise_rule(std::string_view name, PathType type);

}  // namespace moult
