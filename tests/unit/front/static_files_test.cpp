#include "daemon/front/static_files.h"

#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

using namespace moult;
using namespace moult::http;
using namespace moult::test;

namespace fs = std::filesystem;

namespace {

struct Tree {
  Tree() {
    char name[] = "/tmp/moult-static-XXXXXX";
    base = ::mkdtemp(name);
    root = base + "/files";
    fs::create_directories(root + "/sub");
    write("files/a.css", "body {}");
    write("files/sub/b.txt", "0123456789");
    write("files/.hidden", "h");
    write("secret", "secret");
  }
  ~Tree() { fs::remove_all(base); }
  void write(const std::string& path, const std::string& content) const {
    std::ofstream(base + "/" + path) << content;
  }
  std::string base;
  std::string root;
};

StaticFile ten_bytes() {
  StaticFile file;
  file.file = std::make_shared<const Fd>();
  file.size = 10;
  file.modified = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
  file.etag = "\"abc\"";
  return file;
}

StaticAnswer plan(std::vector<lane::Header> headers, std::string_view method = "GET") {
  RequestHead request;
  request.method = method;
  request.headers = std::move(headers);
  return plan_static(ten_bytes(), "/x.txt", request);
}

}  // namespace

TEST_CASE("only regular files inside the folder are opened") {
  const Tree tree;
  fs::create_symlink("a.css", tree.root + "/inside");
  fs::create_symlink(tree.root + "/a.css", tree.root + "/absolute-inside");
  fs::create_symlink("../secret", tree.root + "/outside");
  fs::create_symlink(tree.base, tree.root + "/folder-outside");
  fs::create_symlink("loop", tree.root + "/loop");
  REQUIRE(::mkfifo((tree.root + "/fifo").c_str(), 0600) == 0);

  const auto opens = [&tree](const std::string& relative) {
    return open_static(tree.root, relative).file != nullptr;
  };
  CHECK(opens("a.css"));
  CHECK(opens("sub/b.txt"));
  CHECK(opens("inside"));
  CHECK(opens("absolute-inside"));
  CHECK_FALSE(opens("outside"));
  CHECK_FALSE(opens("folder-outside/secret"));
  CHECK_FALSE(opens("loop"));
  CHECK_FALSE(opens("fifo"));
  CHECK_FALSE(opens("sub"));
  CHECK_FALSE(opens("sub/"));
  CHECK_FALSE(opens(""));
  CHECK_FALSE(opens("missing"));
  CHECK_FALSE(opens("../secret"));
  CHECK_FALSE(opens("sub/../a.css"));
  CHECK_FALSE(opens("/a.css"));
  CHECK_FALSE(opens(std::string("a.css\0x", 7)));
}

TEST_CASE("a symlinked folder may be the root itself") {
  const Tree tree;
  fs::create_symlink(tree.root, tree.base + "/current");
  CHECK(open_static(tree.base + "/current", "a.css").file != nullptr);
}

TEST_CASE("the ETag changes when the file does") {
  const Tree tree;
  const std::string before = open_static(tree.root, "a.css").etag;
  CHECK(open_static(tree.root, "a.css").etag == before);
  tree.write("files/a.css", "body {};");
  CHECK(open_static(tree.root, "a.css").etag != before);
}

TEST_CASE("a prefix takes what lies below it, the longest first") {
  const std::map<std::string, std::string> folders{{"/static/", "S"}, {"/static/deep", "D"}};
  CHECK(find_static(folders, "/static/a.css").root == "S");
  CHECK(find_static(folders, "/static/a.css").relative == "a.css");
  CHECK(find_static(folders, "/static/deep/x").root == "D");
  CHECK(find_static(folders, "/static/deep/x").relative == "x");
  CHECK(find_static(folders, "/static").root.empty());
  CHECK(find_static(folders, "/statics/a").root.empty());
  CHECK(find_static(folders, "/").root.empty());
  CHECK(find_static({{"/", "R"}}, "/robots.txt").relative == "robots.txt");
}

TEST_CASE("ranges are read as RFC 9110 says") {
  struct Case {
    const char* value;
    ByteRange::Kind kind;
    std::uint64_t first, length;
  };
  using Kind = ByteRange::Kind;
  for (const Case& one : {Case{"bytes=0-0", Kind::part, 0, 1}, Case{"bytes=2-4", Kind::part, 2, 3},
                          Case{"bytes=8-", Kind::part, 8, 2}, Case{"bytes=8-99", Kind::part, 8, 2},
                          Case{"bytes=-3", Kind::part, 7, 3}, Case{"bytes=-99", Kind::part, 0, 10},
                          Case{"Bytes=1-2", Kind::part, 1, 2}, Case{"bytes=10-", Kind::unsatisfiable, 0, 0},
                          Case{"bytes=-0", Kind::unsatisfiable, 0, 0}, Case{"bytes=4-2", Kind::whole, 0, 0},
                          Case{"bytes=-", Kind::whole, 0, 0}, Case{"bytes=", Kind::whole, 0, 0},
                          Case{"bytes=a-b", Kind::whole, 0, 0}, Case{"bytes=1-2x", Kind::whole, 0, 0},
                          Case{"bytes=0-1,3-4", Kind::whole, 0, 0}, Case{"lines=1-2", Kind::whole, 0, 0},
                          Case{"bytes=99999999999999999999-", Kind::whole, 0, 0}}) {
    CAPTURE(one.value);
    const ByteRange range = parse_range(one.value, 10);
    CHECK(range.kind == one.kind);
    CHECK(range.first == one.first);
    CHECK(range.length == one.length);
  }
  CHECK(parse_range("bytes=0-", 0).kind == ByteRange::Kind::unsatisfiable);
}

TEST_CASE("conditions decide between 200, 206, 304 and 416") {
  CHECK(plan({}).status == 200);
  CHECK(plan({}).length == 10);
  CHECK(plan({}).headers.find("Content-Type: text/plain; charset=utf-8\r\n") != std::string::npos);
  CHECK(plan({}).headers.find("X-Content-Type-Options: nosniff\r\n") != std::string::npos);
  CHECK(plan({{"if-match", "\"x\", \"abc\""}}).status == 200);
  CHECK(plan({{"if-match", "*"}}).status == 200);
  CHECK(plan({{"if-match", "W/\"abc\""}}).status == 412);
  CHECK(plan({{"if-match", "\"x\""}, {"if-none-match", "\"abc\""}}).status == 412);
  CHECK(plan({{"if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"}}).status == 200);
  CHECK(plan({{"if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}}).status == 412);
  CHECK(plan({{"if-match", "\"abc\""}, {"if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}}).status ==
        200);
  CHECK(plan({{"if-none-match", "\"abc\""}}).status == 304);
  CHECK(plan({{"if-none-match", "\"x\", W/\"abc\""}}).status == 304);
  CHECK(plan({{"if-none-match", "*"}}).status == 304);
  CHECK(plan({{"if-none-match", "\"x\""}}).status == 200);
  CHECK(plan({{"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"}}).status == 304);
  CHECK(plan({{"if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}}).status == 200);
  CHECK(plan({{"if-modified-since", "yesterday"}}).status == 200);
  // If-None-Match alone decides when both are there.
  CHECK(plan({{"if-none-match", "\"x\""}, {"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"}}).status ==
        200);

  const StaticAnswer part = plan({{"range", "bytes=2-4"}});
  CHECK(part.status == 206);
  CHECK(part.offset == 2);
  CHECK(part.length == 3);
  CHECK(part.headers.find("Content-Range: bytes 2-4/10\r\n") != std::string::npos);
  CHECK(part.headers.find("Content-Length: 3\r\n") != std::string::npos);
  const StaticAnswer beyond = plan({{"range", "bytes=10-"}});
  CHECK(beyond.status == 416);
  CHECK(beyond.headers.find("Content-Range: bytes */10\r\n") != std::string::npos);
  CHECK(plan({{"range", "bytes=2-4"}, {"if-range", "\"abc\""}}).status == 206);
  CHECK(plan({{"range", "bytes=2-4"}, {"if-range", "\"old\""}}).status == 200);
  CHECK(plan({{"range", "bytes=2-4"}, {"if-range", "Sun, 06 Nov 1994 08:49:37 GMT"}}).status == 206);
  CHECK(plan({{"range", "bytes=2-4"}}, "HEAD").status == 200);
}

TEST_CASE("content types go by suffix") {
  CHECK(content_type("/a/b.CSS") == "text/css; charset=utf-8");
  CHECK(content_type("x.tar.gz") == "application/gzip");
  CHECK(content_type("x.png") == "image/png");
  CHECK(content_type("/a.b/c") == "application/octet-stream");
  CHECK(content_type("unknown.zzz") == "application/octet-stream");
}

TEST_CASE("a static file is served by the daemon with GET and HEAD only") {
  const Tree tree;
  Front front;
  front.target.static_files = {{"/static/", tree.root}};
  const Fd client = front.connect();
  const auto ask = [&](const std::string& method, const std::string& path, const std::string& headers = "") {
    front.write(client, method + " " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n");
    std::string response;
    front.pump_until([&] {
      response += front.read(client);
      return !response.empty();
    });
    front.pump();
    return response + front.read(client);
  };
  const std::string whole = ask("GET", "/static/sub/b.txt");
  CHECK(whole.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(whole.ends_with("\r\n\r\n0123456789"));
  const std::string head = ask("HEAD", "/static/sub/b.txt");
  CHECK(head.find("Content-Length: 10\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(ask("GET", "/static/sub/b.txt", "Range: bytes=3-5\r\n").ends_with("\r\n\r\n345"));
  CHECK(ask("GET", "/static/sub%2Fb.txt").ends_with("0123456789"));
  CHECK(ask("GET", "/static/../secret").starts_with("HTTP/1.1 404"));
  CHECK(ask("GET", "/static/%2e%2e/secret").starts_with("HTTP/1.1 404"));
  CHECK(ask("GET", "/static/none").starts_with("HTTP/1.1 404"));
  const std::string posted = ask("POST", "/static/a.css");
  CHECK(posted.starts_with("HTTP/1.1 405"));
  CHECK(posted.find("Allow: GET, HEAD\r\n") != std::string::npos);
  CHECK_FALSE(front.closed);
  CHECK(front.app.seen.empty());
}

TEST_CASE("a large static file arrives whole at a client that reads slowly") {
  const Tree tree;
  std::string content;
  while (content.size() < 3'000'000) content += std::to_string(content.size()) + "\n";
  tree.write("files/large.bin", content);
  Front front;
  front.target.static_files = {{"/static", tree.root}};
  const Fd client = front.connect();
  front.write(client, "GET /static/large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  std::string response;
  front.pump_until([&] {
    char buffer[20'000];
    const ssize_t count = ::recv(client.get(), buffer, sizeof buffer, 0);
    if (count > 0) response.append(buffer, static_cast<std::size_t>(count));
    return count == 0;
  });
  const std::size_t body = response.find("\r\n\r\n") + 4;
  CHECK(response.substr(body) == content);
}

TEST_CASE("a client that goes while its file is opened does no harm") {
  const Tree tree;
  Front front;
  front.target.static_files = {{"/static", tree.root}};
  Fd client = front.connect();
  front.write(client, "GET /static/a.css HTTP/1.1\r\nHost: a\r\n\r\n");
  front.pump(1);
  client.reset();
  front.pump_until([&front] { return front.server.counters().open == 0; });
  CHECK(front.server.counters().open == 0);
}

TEST_CASE("an app's file is sent by the daemon, framed as the answer is") {
  const Tree tree;
  for (const bool with_length : {true, false}) {
    CAPTURE(with_length);
    Front front;
    const Fd client = front.connect();
    front.exchange(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    Call& call = *front.app.current;
    lane::Head head;
    head.status = 200;
    head.reason = "OK";
    if (with_length) {
      head.header_text = "Content-Length: 5\r\n";
      head.flags = lane::kHasLength;
      head.length = 5;
    }
    call.client->on_head(call, head, "", End::no);
    const StaticFile file = open_static(tree.root, "sub/b.txt");
    Fd copy = duplicate(*file.file).value();
    call.client->on_file(call, std::move(copy), 2, 5, End::yes);
    std::string response;
    const std::string body = with_length ? "\r\n\r\n23456" : "\r\n\r\n5\r\n23456\r\n0\r\n\r\n";
    front.pump_until([&] {
      response += front.read(client);
      return response.ends_with(body);
    });
    CHECK(response.ends_with(body));
    front.app.on_submit = [](Call& next) { answer(next, "next"); };
    CHECK(front.exchange(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("next"));
  }
}

TEST_CASE("a file that is shorter than promised cuts the connection") {
  const Tree tree;
  Front front;
  const Fd client = front.connect();
  front.exchange(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Call& call = *front.app.current;
  lane::Head head;
  head.status = 200;
  head.reason = "OK";
  head.header_text = "Content-Length: 50\r\n";
  head.flags = lane::kHasLength;
  head.length = 50;
  call.client->on_head(call, head, "", End::no);
  const StaticFile file = open_static(tree.root, "sub/b.txt");
  call.client->on_file(call, duplicate(*file.file).value(), 0, 50, End::yes);
  front.pump_until([&front] { return front.server.counters().open == 0; });
  CHECK(front.server.counters().cut == 1);
}

TEST_CASE("a client whose file lies on a disk that hangs for a thousand others is cut, not queued") {
  const Tree tree;
  std::promise<void> back;
  const auto disk = back.get_future().share();
  Front front;
  const uv::Errand hanging{uv::Work::files, front.target.app};
  while (front.loop.background().has_room(hanging)) {
    uv::run_in_background(
        front.loop, hanging, [disk] { disk.wait(); }, [] {});
  }
  const Fd client = front.connect();
  front.exchange(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Call& call = *front.app.current;
  lane::Head head;
  head.status = 200;
  head.reason = "OK";
  call.client->on_head(call, head, "", End::no);
  const StaticFile file = open_static(tree.root, "sub/b.txt");
  call.client->on_file(call, duplicate(*file.file).value(), 0, 10, End::yes);
  front.pump();
  CHECK(front.server.counters().cut == 1);
  CHECK(front.server.counters().open == 0);
  back.set_value();
  front.pump_until([&] { return front.loop.background().has_room(hanging); });
}
