#include "daemon/hosts/host_memory.h"

#include <fmt/format.h>

#include <unistd.h>
#include <cstdio>

#include <algorithm>

namespace moult {

std::uint64_t resident_bytes(int pid) {
  // proc(5): statm is in pages: size, resident, …
  std::FILE* file = std::fopen(fmt::format("/proc/{}/statm", pid).c_str(), "re");
  if (file == nullptr) return 0;
  unsigned long size = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return read == 2
             ? static_cast<std::uint64_t>(resident) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))
             : 0;
}

namespace {

// Bytes a second; 0 where it has shrunk.
double rate(std::uint64_t from, std::uint64_t to, Milliseconds time) {
  if (to <= from) return 0;
  return static_cast<double>(to - from) / std::max(Seconds(time).count(), 0.001);
}

}  // namespace

void HostMemory::on_made(std::uint64_t resident, Milliseconds age) {
  if (age >= kLoading || resident == 0) return;
  baseline_ = resident;
  baseline_at_ = age;
}

bool HostMemory::look(std::uint64_t resident, Milliseconds age, std::uint64_t most) {
  if (age < kLoading || resident == 0) return false;
  if (baseline_ == 0) {
    baseline_ = resident;
    baseline_at_ = age;
  }
  if (warm_ == 0) {
    warm_ = resident;
    warm_at_ = age;
  }
  if (!judged_ && age >= kJudged) {
    judged_ = true;
    const double warming = rate(baseline_, warm_, warm_at_ - baseline_at_);
    if (rate(warm_, resident, age - warm_at_) < warming / 2) baseline_ = warm_;
  }
  if (judged_) return growth(resident) > most;
  return growth(resident) > 4 * most && resident > warm_ + most / 2;  // and goes on
}

std::uint64_t HostMemory::growth(std::uint64_t resident) const {
  return baseline_ == 0 || resident < baseline_ ? 0 : resident - baseline_;
}

}  // namespace moult
