#include "daemon/front/response.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::http;

namespace {

lane::Head head_with(std::uint16_t status, std::string_view lines = {}, std::uint8_t flags = 0,
                     std::uint64_t length = 0) {
  lane::Head head;
  head.status = status;
  head.reason = "Reason";
  head.header_text = lines;
  head.flags = flags;
  head.length = length;
  return head;
}

const RequestTraits kHttp11{false, false, true};
const RequestTraits kHttp10{false, true, true};
const RequestTraits kHead{true, false, true};

}  // namespace

TEST_CASE("the framing of a body follows version, method, status and what the app said") {
  const auto framing = [](const RequestTraits& request, const lane::Head& head, End end) {
    return plan_response(request, head, 7, end).framing;
  };
  CHECK(framing(kHttp11, head_with(200, {}, lane::kHasLength, 9), End::no) == BodyFraming::length);
  CHECK(framing(kHttp11, head_with(200), End::no) == BodyFraming::chunked);
  CHECK(framing(kHttp11, head_with(200), End::yes) == BodyFraming::length);
  CHECK(framing(kHttp10, head_with(200), End::no) == BodyFraming::close);
  CHECK(framing(kHttp10, head_with(200), End::yes) == BodyFraming::length);
  CHECK(framing(kHead, head_with(200, {}, lane::kHasLength, 9), End::no) == BodyFraming::none);
  CHECK(framing(kHttp11, head_with(204), End::no) == BodyFraming::none);
  CHECK(framing(kHttp11, head_with(304), End::no) == BodyFraming::none);
}

TEST_CASE("a whole body without a length gets one") {
  const ResponsePlan plan = plan_response(kHttp11, head_with(200), 7, End::yes);
  CHECK(plan.add_length);
  CHECK(plan.length == 7);
  CHECK(plan.keep_alive);
  CHECK_FALSE(plan_response(kHead, head_with(200), 7, End::yes).add_length);
  CHECK_FALSE(plan_response(kHttp10, head_with(200), 0, End::no).keep_alive);
}

TEST_CASE("a head is written with what the app left out") {
  std::string text;
  const lane::Head head = head_with(200, "X: y\r\n");
  append_response_head(text, kHttp11, head, plan_response(kHttp11, head, 2, End::yes), "DATE");
  CHECK(text == "HTTP/1.1 200 Reason\r\nX: y\r\nDate: DATE\r\nServer: moult\r\nContent-Length: 2\r\n\r\n");

  text.clear();
  const lane::Head own = head_with(200, "Date: d\r\nServer: s\r\n", lane::kHasDate | lane::kHasServer);
  append_response_head(text, kHttp11, own, plan_response(kHttp11, own, 0, End::no), "DATE");
  CHECK(text == "HTTP/1.1 200 Reason\r\nDate: d\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n");

  text.clear();
  const lane::Head empty = head_with(204, "A: 1\r\ncontent-LENGTH: 0\r\nB: 2\r\n", lane::kHasLength);
  append_response_head(text, kHttp11, empty, plan_response(kHttp11, empty, 0, End::yes), "DATE");
  CHECK(text == "HTTP/1.1 204 Reason\r\nA: 1\r\nB: 2\r\nDate: DATE\r\nServer: moult\r\n\r\n");
}

TEST_CASE("chunk sizes are hexadecimal") {
  std::string text;
  append_chunk_size(text, 10);
  append_chunk_size(text, 65536);
  CHECK(text == "a\r\n10000\r\n");
}

TEST_CASE("HTTP dates are written and read") {
  CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  std::time_t time = 0;
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", time));
  CHECK(time == 784111777);
  CHECK_FALSE(parse_http_date("Sun, 06 Nov 1994 08:49:37", time));
  CHECK_FALSE(parse_http_date("", time));
}

TEST_CASE("the date is made anew when the second is over") {
  DateCache cache;
  static WallTime wall;
  wall = std::chrono::system_clock::from_time_t(784111777) + Milliseconds(600);
  const auto clock = [] { return wall; };
  const SteadyTime start = SteadyTime(Milliseconds(5000));
  CHECK(cache.text(start, clock).find("08:49:37") != std::string_view::npos);
  wall += Milliseconds(500);
  CHECK(cache.text(start + Milliseconds(399), clock).find("08:49:37") != std::string_view::npos);
  CHECK(cache.text(start + Milliseconds(400), clock).find("08:49:38") != std::string_view::npos);
}

TEST_CASE("an error page escapes what it shows") {
  const std::string page = error_page(500, "Bad <thing>.", "File \"<x>\" & more");
  CHECK(page.find("500 Internal Server Error") != std::string::npos);
  CHECK(page.find("Bad &lt;thing&gt;.") != std::string::npos);
  CHECK(page.find("<pre>File &quot;&lt;x&gt;&quot; &amp; more</pre>") != std::string::npos);
  CHECK(error_page(404, "x").find("<pre>") == std::string::npos);
}
