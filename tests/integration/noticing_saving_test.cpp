// Ways in which editors and other programs change one file.

#include "tests/integration/noticing.h"
#include "tests/support/raw_file.h"
#include "tests/support/skip.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Way {
  const char* name;
  std::function<void(const fs::path& file, const std::string& text)> save;
};

fs::path beside(const fs::path& file, const std::string& name) { return file.parent_path() / name; }

// The calls as strace(1) showed them, in their order.
const std::vector<Way> kEditors{
    {"nano, VS Code: in place", [](const fs::path& file, const std::string& text) { put(file, text); }},
    {"VS Code: in place, cut at the end",
     [](const fs::path& file, const std::string& text) {
       RawFile open(file, O_WRONLY);
       open.write(text);
       open.truncate(text.size());
     }},
    {"vim, backupcopy=no: renames the old, writes a new file",
     [](const fs::path& file, const std::string& text) {
       put(beside(file, "4913"), "", O_WRONLY | O_CREAT | O_EXCL);
       fs::remove(beside(file, "4913"));
       fs::rename(file, file.string() + "~");
       put(file, text, O_WRONLY | O_CREAT | O_EXCL);
       fs::permissions(file, fs::perms(0644));
       fs::remove(file.string() + "~");
     }},
    {"vim, backupcopy=yes: copies the old, writes in place",
     [](const fs::path& file, const std::string& text) {
       fs::copy_file(file, file.string() + "~", fs::copy_options::overwrite_existing);
       put(file, text);
       fs::permissions(file, fs::perms(0644));
       fs::remove(file.string() + "~");
     }},
    {"emacs: a lock that is a link to nowhere, an auto-save file, the old one stays as backup",
     [](const fs::path& file, const std::string& text) {
       fs::create_symlink("me@here.1:2", beside(file, ".#app.py"));
       put(beside(file, "#app.py#"), text);
       fs::rename(file, file.string() + "~");
       put(file, text, O_WRONLY | O_CREAT | O_EXCL);
       fs::remove(beside(file, "#app.py#"));
       fs::remove(beside(file, ".#app.py"));
     }},
    {"PyCharm: a new file, the old one aside, the new one in its place",
     [](const fs::path& file, const std::string& text) {
       put(file.string() + "___jb_tmp___", text);
       fs::rename(file, file.string() + "___jb_old___");
       fs::rename(file.string() + "___jb_tmp___", file);
       fs::remove(file.string() + "___jb_old___");
     }},
    {"gedit: a new file with a name of its own, renamed",
     [](const fs::path& file, const std::string& text) {
       put(beside(file, ".goutputstream-ABC123"), text);
       fs::rename(beside(file, ".goutputstream-ABC123"), file);
     }},
};

const std::vector<Way> kPrograms{
    {"sed -i: a new file whose name is no source's, renamed",
     [](const fs::path& file, const std::string& text) {
       put(beside(file, "sedXy12Zq"), text);
       fs::rename(beside(file, "sedXy12Zq"), file);
     }},
    {"a temporary name that is a source's, renamed",
     [](const fs::path& file, const std::string& text) {
       put(beside(file, "tmp_app.py"), text);
       fs::rename(beside(file, "tmp_app.py"), file);
     }},
    {"rsync: .app.py.XXXXXX with the time of the origin, renamed",
     [](const fs::path& file, const std::string& text) {
       put(beside(file, ".app.py.Ab12Cd"), text);
       set_time(beside(file, ".app.py.Ab12Cd"), 1'000'000'000);
       fs::rename(beside(file, ".app.py.Ab12Cd"), file);
     }},
    {"rsync --inplace: written over, cut, then the time of the origin",
     [](const fs::path& file, const std::string& text) {
       {
         RawFile open(file, O_WRONLY);
         open.write(text);
         open.truncate(text.size());
       }
       set_time(file, 1'000'000'001);
     }},
    {"moved from another folder",
     [](const fs::path& file, const std::string& text) {
       const fs::path away = file.parent_path().parent_path() / "away.py";
       put(away, text);
       fs::rename(away, file);
     }},
    {"removed and made anew",
     [](const fs::path& file, const std::string& text) {
       fs::remove(file);
       put(file, text, O_WRONLY | O_CREAT | O_EXCL);
     }},
    {"a hard link in its place",
     [](const fs::path& file, const std::string& text) {
       const fs::path away = file.parent_path().parent_path() / "linked.py";
       put(away, text);
       fs::remove(file);
       fs::create_hard_link(away, file);
       fs::remove(away);
     }},
    {"a link in its place, to a file beside the tree",
     [](const fs::path& file, const std::string& text) {
       const fs::path away = file.parent_path().parent_path() / "aside.py";
       put(away, text);
       fs::create_symlink(away, file.string() + ".new");
       fs::rename(file.string() + ".new", file);
     }},
    {"the file that the link leads to",
     [](const fs::path& file, const std::string& text) { put(file, text); }},
    {"a plain file again",
     [](const fs::path& file, const std::string& text) {
       put(beside(file, "plain"), text);
       fs::rename(beside(file, "plain"), file);
     }},
    {"through a mapping of memory",
     [](const fs::path& file, const std::string& text) {
       const RawFile open(file, O_RDWR);
       REQUIRE(::ftruncate(open.fd(), static_cast<off_t>(text.size())) == 0);
       void* memory = ::mmap(nullptr, text.size(), PROT_WRITE, MAP_SHARED, open.fd(), 0);
       REQUIRE(memory != MAP_FAILED);
       text.copy(static_cast<char*>(memory), text.size());
       ::munmap(memory, text.size());
     }},
};

void save_in_each_way(const std::vector<Way>& ways, const std::string& toml) {
  Noticed blog("keep_previous = 0\n" + toml);
  blog.start();
  int generation = 1;
  for (const Way& way : ways) {
    INFO(way.name);
    const std::string text = "state " + std::to_string(++generation);
    way.save(blog.app / "app.py", answers(text));
    CHECK(blog.serves(text));
    CHECK(blog.generation() == generation);
    CHECK(blog.rejected() == 0);
  }
}

// The steps of one way come within microseconds; even a machine that pauses must not part them.
constexpr const char* kPatient = "settle = \"400ms\"";

}  // namespace

TEST_CASE("each way in which an editor saves makes exactly one generation") {
  save_in_each_way(kEditors, kPatient);
}

TEST_CASE("each way in which other programs replace a file makes exactly one generation") {
  save_in_each_way(kPrograms, kPatient);
}

TEST_CASE("polling notices each of these ways too") {
  save_in_each_way(kPrograms, "polling = \"on\"\nsettle = \"50ms\"");
}

TEST_CASE("vim and sed themselves, where they are installed") {
  Noticed blog("settle = \"400ms\"");
  blog.start();
  std::vector<std::vector<std::string>> programs;
  if (has_program("sed")) programs.push_back({"sed", "-i", "s/state [0-9]*/state 2/", "app.py"});
  for (const char* copy : {"no", "yes", "auto"}) {
    const std::string state = "state " + std::to_string(programs.size() + 2);
    if (!has_program("vim")) continue;
    programs.push_back({"vim", "-u", "NONE", "-i", "NONE", "-N", "-e", "-s", "-c",
                        std::string("set writebackup backupcopy=") + copy, "-c",
                        "%s/state [0-9]*/" + state + "/e", "-c", "wq", "app.py"});
  }
  if (programs.empty()) return skip("neither sed nor vim");
  blog.app.write("app.py", answers("state 1"));
  REQUIRE(blog.serves("state 1"));
  for (std::size_t i = 0; i < programs.size(); ++i) {
    INFO(programs[i][0] << " " << i);
    run_in(blog, blog.app.path(), programs[i]);
    CHECK(blog.serves("state " + std::to_string(i + 2)));
    CHECK(blog.generation() == static_cast<int>(i) + 3);
  }
}

TEST_CASE("rsync itself, where it is installed, with temporary names, in place and all at the end") {
  if (!has_program("rsync")) {
    skip("no rsync");
    return;
  }
  Noticed blog(kPatient);
  blog.app.write("part.py", "N = 1\n");
  blog.start();
  const AppTree upload(blog.daemon.folder().path() / "upload");
  int generation = 1;
  for (const char* how : {"--times", "--inplace", "--delay-updates", "--partial-dir=.part"}) {
    INFO(how);
    const std::string text = "state " + std::to_string(++generation);
    upload.write("app.py", answers(text));
    upload.write("part.py", "N = " + std::to_string(generation) + "\n");
    upload.write("new" + std::to_string(generation) + ".py", "N = 1\n");
    run_in(blog, upload.path(),
           {"rsync", "-r", "--ignore-times", "--delete", how, "./", blog.app.path().string() + "/"});
    CHECK(blog.serves(text));
    CHECK(blog.generation() == generation);
    CHECK(blog.rejected() == 0);
  }
}

TEST_CASE("times that go back, lie in the future or stay as they were hide nothing") {
  Noticed blog;
  blog.start();
  const fs::path file = blog.app / "app.py";
  set_time(file, 1'500'000'000);
  struct stat before {};
  REQUIRE(::stat(file.c_str(), &before) == 0);
  int state = 0;
  for (const long long time : {1'000'000'000LL, 4'000'000'000LL, 0LL, 4'000'000'000LL, 4'000'000'000LL}) {
    INFO("time " << time);
    const std::string text = "s" + std::to_string(++state);  // all of one size
    blog.app.write("new", answers(text));
    set_time(blog.app / "new", time);
    fs::rename(blog.app / "new", file);
    CHECK(blog.serves(text));
  }
  // The same size, the same inode, the same time of change.
  put(file, answers("s9"));
  set_time(file, 4'000'000'000LL);
  CHECK(blog.serves("s9"));
}

TEST_CASE("a change of rights or of times alone makes no generation") {
  Noticed blog;
  blog.app.write("part.py", "N = 1\n");
  blog.start();
  const fs::path part = blog.app / "part.py";
  fs::permissions(part, fs::perms(0600));
  set_time(part, 1'000'000'000);
  set_time(part, 1'000'000'001, Access::left_alone);
  CHECK(blog.comes_to_why("same content", "part.py"));
  CHECK(blog.generation() == 1);
}

TEST_CASE("a time that is set after a write, without an end of it, does not make the write wait") {
  // To inotify it is a write (IN_MODIFY) that nobody ends: waited for, it would take settle_max.
  Noticed blog("settle_max = \"10min\"");
  blog.start();
  put(blog.app / "app.py", answers("two"));
  set_time(blog.app / "app.py", 1'600'000'000, Access::left_alone);
  CHECK(blog.serves("two"));
  put(blog.app / "app.py", answers("three") + "#");
  REQUIRE(::truncate((blog.app / "app.py").c_str(), static_cast<off_t>(answers("three").size())) == 0);
  CHECK(blog.serves("three"));
}

TEST_CASE("a file that grows slowly makes one generation, of the whole file") {
  Noticed blog("settle_max = \"10min\"");
  blog.start();
  const std::string text = answers("the whole file");
  {
    RawFile upload(blog.app / "app.py");
    for (std::size_t at = 0; at < text.size(); at += 20) {
      upload.write(std::string_view(text).substr(at, 20));
      let_pass(200ms);  // twice the quiet time
    }
    CHECK(blog.generation() == 1);
    CHECK(blog.rejected() == 0);
    CHECK(blog.daemon.call("why", R"({"app":"blog"})").text("/waiting_for").find("is being written") !=
          std::string::npos);
  }
  CHECK(blog.serves("the whole file"));
  CHECK(blog.generation() == 2);
}

TEST_CASE("a program that never closes its file is waited for no longer than settle_max") {
  Noticed blog("settle_max = \"1s\"");
  blog.start();
  RawFile kept(blog.app / "app.py");
  kept.write(answers("two"));
  CHECK(blog.serves("two"));
}
