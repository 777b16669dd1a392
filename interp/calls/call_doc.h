#pragma once

namespace moult {

// What help(moult.call) shows: the one function of the module `moult` that is not written in Python.
inline constexpr const char* kCallDoc = R"(call(app, function, /, *args, timeout=None, **kwargs)
--

Calls a function that another app exports and returns its result. Arguments and result are copied.

app: str, its name. function: str, the name it is exported by.
timeout: float, seconds until moult.CallTimeout; None: what is left to the call being served. The
    function does not get it: for one that has such a parameter use moult.app().
In the same host and without a timeout the function runs in the calling thread, also with its working
folder; otherwise on a thread of its app. From a generator comes a moult.Stream, to be iterated over.
What can go wrong is a moult.CallError: RemoteError (the function raised), AppNotFound, NotExported,
PayloadError and PayloadTooLarge (an argument or the result cannot be carried), CallTimeout, CallCycle,
AppUnavailable, HostLost.

    moult.call("billing", "total", order=7, timeout=2.0)
)";

}  // namespace moult
