#include "control/ctl/table.h"

#include "ipc/base/error.h"

#include <algorithm>

namespace moult::ctl {

namespace {

constexpr std::size_t kGap = 2;
constexpr std::string_view kBelow = "    ";

// A cell is one line of plain text, whatever an app has put into it.
std::string one_line(std::string_view text) {
  std::string line = printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  return line;
}

}  // namespace

Table& Table::column(std::string title, Align align) {
  const std::size_t width = display_width(title);
  columns_.push_back(Column{std::move(title), align, width});
  return *this;
}

void Table::reasons(std::string title) {
  column(std::move(title));
  reasons_ = true;
}

void Table::row(std::vector<Cell> cells) {
  MOULT_CHECK(cells.size() == columns_.size(), "a row of a table needs one cell per column");
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i].text = one_line(cells[i].text);
    columns_[i].width = std::max(columns_[i].width, display_width(cells[i].text));
  }
  rows_.push_back(std::move(cells));
}

std::string Table::line(const std::vector<Cell>& cells, const Look& look, std::string* below) const {
  std::string line;
  std::size_t used = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool last = i + 1 == cells.size();
    std::string text = cells[i].text;
    const auto limit = static_cast<std::size_t>(look.width);
    std::string padding(columns_[i].width - display_width(text), ' ');
    const std::size_t before = columns_[i].align == Align::right ? padding.size() : 0;
    if (look.width > 0 && used + before + display_width(text) > limit) {
      if (last && below != nullptr && limit > 2 * kBelow.size()) {
        *below = indent(wrap(text, limit - kBelow.size()), kBelow);
        break;
      }
      text = cut(padding.substr(0, before) + text, limit > used ? limit - used : 0);
      padding.clear();
    }
    if (columns_[i].align == Align::right) line += padding;
    line += in_tone(text, cells[i].tone, look);
    if (last) break;
    if (columns_[i].align == Align::left) line += padding;
    line += std::string(kGap, ' ');
    used += columns_[i].width + kGap;
    if (look.width > 0 && used >= limit && below == nullptr) break;
  }
  const std::size_t end = line.find_last_not_of(' ');
  line.erase(end == std::string::npos ? 0 : end + 1);
  return line + '\n';
}

std::string Table::render(const Look& look) const {
  std::vector<Cell> header;
  for (const Column& column : columns_) header.emplace_back(column.title, Tone::dim);
  std::string text = line(header, look, nullptr);
  for (const auto& cells : rows_) {
    std::string below;
    text += line(cells, look, reasons_ ? &below : nullptr);
    text += below;
  }
  return text;
}

}  // namespace moult::ctl
