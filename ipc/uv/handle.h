#pragma once

#include <uv.h>

#include <memory>

// Rules of the handle family, the only place with casts between libuv's structs and ours.
//  1. The memory of a handle is a heap block that derives from the C struct; libuv may touch it
//     until the close callback, which deletes it.
//  2. The owner holds the block through OwnedHandle. Destroying the owner asks for the close; after
//     that libuv calls nothing of that handle, so its callback may capture the owner's `this`.
//  3. A callback may destroy its own handle's owner, but only as its last act.
//  4. `data` is never used.

namespace moult::uv {

// A libuv handle with the state that its callbacks need.
template <typename Raw, typename State>
struct HandleBlock : Raw {
  State state;
};

template <typename Raw, typename State>
struct CloseHandle {
  void operator()(HandleBlock<Raw, State>* block) const {
    uv_close(reinterpret_cast<uv_handle_t*>(static_cast<Raw*>(block)), [](uv_handle_t* handle) {
      delete static_cast<HandleBlock<Raw, State>*>(reinterpret_cast<Raw*>(handle));
    });
  }
};

template <typename Raw, typename State>
using OwnedHandle = std::unique_ptr<HandleBlock<Raw, State>, CloseHandle<Raw, State>>;

// The state behind the C struct that libuv hands to a callback.
template <typename State, typename Raw>
State& state_of(Raw* raw) {
  return static_cast<HandleBlock<Raw, State>*>(raw)->state;
}

}  // namespace moult::uv
