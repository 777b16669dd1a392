#include "daemon/front/forwarded.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::http;

namespace {

TrustedProxies trusted(std::initializer_list<std::string_view> entries) {
  TrustedProxies proxies;
  for (const std::string_view entry : entries) CHECK(proxies.add(entry));
  return proxies;
}

RequestHead with(std::vector<lane::Header> headers) {
  RequestHead request;
  request.headers = std::move(headers);
  return request;
}

}  // namespace

TEST_CASE("addresses and blocks are trusted, nothing else") {
  const TrustedProxies proxies =
      trusted({"unix", "127.0.0.1", "10.0.0.0/8", "192.168.1.128/25", "2001:db8::/32"});
  CHECK(proxies.trusts_unix());
  CHECK(proxies.trusts("127.0.0.1"));
  CHECK_FALSE(proxies.trusts("127.0.0.2"));
  CHECK(proxies.trusts("10.255.1.2"));
  CHECK_FALSE(proxies.trusts("11.0.0.1"));
  CHECK(proxies.trusts("192.168.1.200"));
  CHECK_FALSE(proxies.trusts("192.168.1.100"));
  CHECK(proxies.trusts("2001:db8:1::5"));
  CHECK_FALSE(proxies.trusts("2001:db9::5"));
  CHECK(proxies.trusts("::ffff:10.1.1.1"));
  CHECK_FALSE(proxies.trusts(""));
  CHECK_FALSE(proxies.trusts("localhost"));
  CHECK_FALSE(TrustedProxies().trusts_unix());
}

TEST_CASE("what is no address is not taken") {
  TrustedProxies proxies;
  for (const char* text : {"", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::1/129", "1.2.3"}) {
    CAPTURE(text);
    CHECK_FALSE(proxies.add(text));
  }
}

TEST_CASE("the client is the right-most address that is no proxy of ours") {
  const TrustedProxies proxies = trusted({"10.0.0.0/8"});
  const auto address = [&proxies](std::vector<lane::Header> headers) {
    return std::string(read_forwarded(with(std::move(headers)), proxies).address);
  };
  CHECK(address({{"x-forwarded-for", "192.0.2.1"}}) == "192.0.2.1");
  CHECK(address({{"x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.2"}}) == "192.0.2.1");
  CHECK(address({{"x-forwarded-for", "6.6.6.6"}, {"x-forwarded-for", "192.0.2.1,10.0.0.2"}}) == "192.0.2.1");
  CHECK(address({{"x-forwarded-for", "192.0.2.1"}, {"x-forwarded-for", "10.0.0.2"}}) == "192.0.2.1");
  CHECK(address({{"x-forwarded-for", "10.0.0.1, 10.0.0.2"}}) == "10.0.0.1");
  CHECK(address({{"x-forwarded-for", "192.0.2.1:4711"}}) == "192.0.2.1");
  CHECK(address({{"x-forwarded-for", "[2001:db8::1]:80"}}) == "2001:db8::1");
  CHECK(address({{"x-forwarded-for", "6.6.6.6, unknown, 10.0.0.2"}}) == "10.0.0.2");
  CHECK(address({{"x-forwarded-for", ""}}).empty());
  CHECK(address({}).empty());
}

TEST_CASE("the scheme is what the nearest proxy says") {
  const TrustedProxies proxies;
  CHECK(read_forwarded(with({{"x-forwarded-proto", "https"}}), proxies).https);
  CHECK(read_forwarded(with({{"x-forwarded-proto", "HTTPS"}}), proxies).https);
  CHECK_FALSE(read_forwarded(with({{"x-forwarded-proto", "http"}}), proxies).https);
  CHECK_FALSE(read_forwarded(with({{"x-forwarded-proto", "https, http"}}), proxies).https);
  CHECK_FALSE(
      read_forwarded(with({{"x-forwarded-proto", "https"}, {"x-forwarded-proto", "http"}}), proxies).https);
}

TEST_CASE("forwarding headers are taken out, others stay in order") {
  RequestHead request =
      with({{"host", "a"}, {"x-forwarded-host", "b"}, {"forwarded", "for=c"}, {"accept", "d"}});
  drop_forwarded(request);
  REQUIRE(request.headers.size() == 2);
  CHECK(request.headers[0].name == "host");
  CHECK(request.headers[1].name == "accept");
}
