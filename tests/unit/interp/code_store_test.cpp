#include "interp/imports/code_store.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>

using namespace moult;
namespace fs = std::filesystem;

namespace {

const std::string kHash(32, 'h');
constexpr std::uint64_t kMiB = 1u << 20;

struct Cache {
  TempTree temp;
  std::string folder = temp.path("moult");
  CodeStore store{folder, kMiB, "cpython-311 -O0"};

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder + "/code")) found.push_back(entry.path());
    return found;
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const fs::path& file : files()) sum += fs::file_size(file);
    return sum;
  }
  fs::path put(std::string_view path, std::string_view code) {
    const auto before = fs::exists(folder + "/code") ? files() : std::vector<fs::path>{};
    REQUIRE(store.put(path, kHash, code));
    for (const fs::path& file : files()) {
      if (std::find(before.begin(), before.end(), file) == before.end()) return file;
    }
    return {};
  }
};

void set_age(const fs::path& file, long seconds) {
  const timespec then{std::time(nullptr) - seconds, 0};
  const timespec times[2]{then, then};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("what one store has put another one finds, by path, content and kind of compiler") {
  Cache cache;
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  cache.put("/a.py", "code");
  CHECK(CodeStore(cache.folder, kMiB, "cpython-311 -O0").find("/a.py", kHash) == "code");
  CHECK_FALSE(CodeStore(cache.folder, kMiB, "cpython-311 -O2").find("/a.py", kHash));
  CHECK_FALSE(CodeStore(cache.folder, kMiB, "cpython-312 -O0").find("/a.py", kHash));
  CHECK_FALSE(cache.store.find("/b.py", kHash));
  CHECK_FALSE(cache.store.find("/a.py", std::string(32, 'i')));
}

TEST_CASE("the folder and its files are the user's alone") {
  Cache cache;
  const fs::path file = cache.put("/a.py", "code");
  CHECK(fs::status(cache.folder).permissions() == fs::perms::owner_all);
  CHECK(fs::status(cache.folder + "/code").permissions() == fs::perms::owner_all);
  CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a file with any byte changed, cut off or of another key is not used, and is written anew") {
  Cache cache;
  const fs::path file = cache.put("/a.py", "code");
  const auto size = fs::file_size(file);
  for (std::uintmax_t at = 0; at < size; ++at) {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(at));
    const int byte = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(at));
    bytes.put(static_cast<char>(byte ^ 1));
    bytes.close();
    CHECK_FALSE(cache.store.find("/a.py", kHash));
    cache.put("/a.py", "code");
    REQUIRE(cache.store.find("/a.py", kHash) == "code");
  }
  for (const std::uintmax_t cut : {size - 1, std::uintmax_t{40}, std::uintmax_t{0}}) {
    fs::resize_file(file, cut);
    CHECK_FALSE(cache.store.find("/a.py", kHash));
  }
  const fs::path other = cache.put("/b.py", "other code");
  fs::rename(other, file);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
}

TEST_CASE("a file that others may write to, a link, a FIFO and a folder are not used") {
  Cache cache;
  const fs::path file = cache.put("/a.py", "code");
  fs::permissions(file, fs::perms::others_write, fs::perm_options::add);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  cache.put("/a.py", "code");
  const fs::path moved = cache.temp.path("moved");
  fs::rename(file, moved);
  fs::create_symlink(moved, file);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  fs::remove(file);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  fs::remove(file);
  fs::create_directory(file);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  CHECK_FALSE(cache.store.put("/a.py", kHash, "code"));
}

TEST_CASE("a file or a folder of another user is not used") {
  if (::geteuid() != 0) return;  // only root can make one
  Cache cache;
  const fs::path file = cache.put("/a.py", "code");
  REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  cache.put("/a.py", "code");
  REQUIRE(cache.store.find("/a.py", kHash) == "code");
  REQUIRE(::chown(cache.folder.c_str(), 65534, 65534) == 0);
  CodeStore later(cache.folder, kMiB, "cpython-311 -O0");
  CHECK_FALSE(later.find("/a.py", kHash));
  CHECK_FALSE(later.put("/b.py", kHash, "code"));
}

TEST_CASE("a write that the disk has no room for is an error, and leaves nothing behind") {
  Cache cache;
  cache.put("/a.py", "code");
  // The limit of a file's size stands for it: setrlimit(2).
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{8192, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto put = cache.store.put("/b.py", kHash, std::string(20'000, 'x'));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK_FALSE(put);
  CHECK_FALSE(cache.store.find("/b.py", kHash));
  CHECK(cache.files().size() == 1);
}

TEST_CASE("a folder that others may write to is not used at all") {
  Cache cache;
  cache.put("/a.py", "code");
  fs::permissions(cache.folder, fs::perms::group_write, fs::perm_options::add);
  CodeStore later(cache.folder, kMiB, "cpython-311 -O0");
  CHECK_FALSE(later.find("/a.py", kHash));
  const auto put = later.put("/b.py", kHash, "code");
  REQUIRE_FALSE(put);
  CHECK(put.error().message.find("others may write") != std::string::npos);
}

TEST_CASE("a folder that cannot be made is an error, not a crash") {
  const TempTree temp;
  std::ofstream(temp.path("file")) << "x";
  CodeStore store(temp.path("file/moult"), kMiB, "k");
  CHECK_FALSE(store.find("/a.py", kHash));
  CHECK_FALSE(store.put("/a.py", kHash, "code"));
  CHECK_FALSE(store.sweep());
}

TEST_CASE("a folder that was deleted is made again") {
  Cache cache;
  cache.put("/a.py", "code");
  fs::remove_all(cache.folder);
  CHECK_FALSE(cache.store.find("/a.py", kHash));
  cache.put("/a.py", "code");
  CHECK(cache.store.find("/a.py", kHash) == "code");
}

TEST_CASE("the bound is kept, and what was not used for longest goes first") {
  Cache cache;
  const std::string code(kMiB / 20, 'x');
  CHECK(cache.store.wants_sweep());  // nobody knows what is there
  REQUIRE(cache.put("/0.py", code) != fs::path());
  REQUIRE(cache.store.sweep());
  CHECK_FALSE(cache.store.wants_sweep());
  for (int i = 0; i < 60; ++i) {
    const std::string path = "/" + std::to_string(i) + ".py";
    const fs::path file = cache.put(path, code);
    if (!file.empty()) set_age(file, 100'000 - i);
    if (i == 10) CHECK(cache.store.find("/3.py", kHash));  // is of use
    if (cache.store.wants_sweep()) REQUIRE(cache.store.sweep());
    CHECK(cache.bytes() <= kMiB);
  }
  CHECK(cache.store.find("/3.py", kHash));
  CHECK_FALSE(cache.store.find("/2.py", kHash));
  CHECK(cache.store.find("/59.py", kHash));
  CHECK(cache.bytes() > kMiB / 2);
}

TEST_CASE("what a killed writer left behind is removed, what one is writing is not") {
  Cache cache;
  cache.put("/a.py", "code");
  std::ofstream(cache.folder + "/code/.new-0001") << "half";
  std::ofstream(cache.folder + "/code/.new-0002") << "half";
  set_age(cache.folder + "/code/.new-0001", 100'000);
  REQUIRE(cache.store.sweep());
  CHECK_FALSE(fs::exists(cache.folder + "/code/.new-0001"));
  CHECK(fs::exists(cache.folder + "/code/.new-0002"));
}

TEST_CASE("code that would take more than a sixteenth of the bound is not kept") {
  Cache cache;
  REQUIRE(cache.store.put("/big.py", kHash, std::string(kMiB / 8, 'x')));
  CHECK_FALSE(cache.store.find("/big.py", kHash));
}

TEST_CASE("small files are bounded in number, also where their bytes are few") {
  Cache cache;
  for (std::size_t i = 0; i < CodeStore::kFilesMax + 500; ++i) {
    REQUIRE(cache.store.put("/" + std::to_string(i) + ".py", kHash, "code"));
    if (cache.store.wants_sweep()) REQUIRE(cache.store.sweep());
  }
  CHECK(cache.files().size() <= CodeStore::kFilesMax);
  CHECK(cache.store.find("/" + std::to_string(CodeStore::kFilesMax + 499) + ".py", kHash));
}
