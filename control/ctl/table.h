#pragma once

#include "control/ctl/human.h"

#include <string>
#include <vector>

namespace moult::ctl {

enum class Align { left, right };

// Rows in aligned columns without lines, the header in upper case. On a terminal a line is cut to its
// width, but for the text of a last column that says why something is as it is: what does not fit beside
// the row stands below it. A value that a page makes and renders.
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
  void reasons(std::string title);    // the last column, whose text is never cut
  void row(std::vector<Cell> cells);  // one per column
  bool is_empty() const { return rows_.empty(); }
  std::string render(const Look& look) const;

 private:
  struct Column {
    std::string title;
    Align align;
    std::size_t width;
  };
  // `below`: where a reason goes that does not fit; null: it is cut.
  std::string line(const std::vector<Cell>& cells, const Look& look, std::string* below) const;

  std::vector<Column> columns_;
  bool reasons_ = false;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace moult::ctl
