#pragma once

#include "control/ctl/human.h"

#include <string>
#include <vector>

namespace moult::ctl {

enum class Align { left, right };

// Rows in aligned columns without lines, the header in upper case. On a terminal the last column is cut
// to its width. A value that a page makes and renders.
class Table {
 public:
  struct Cell {
    std::string text;
    Tone tone = Tone::plain;
    Cell(std::string content) : text(std::move(content)) {}
    Cell(std::string content, Tone its_tone) : text(std::move(content)), tone(its_tone) {}
    Cell(const char* content) : text(content) {}
  };

  Table& column(std::string title, Align align = Align::left);
  void row(std::vector<Cell> cells);  // one per column
  bool is_empty() const { return rows_.empty(); }
  std::string render(const Look& look) const;

 private:
  struct Column {
    std::string title;
    Align align;
    std::size_t width;
  };
  std::string line(const std::vector<Cell>& cells, const Look& look) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace moult::ctl
