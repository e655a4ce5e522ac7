#include "control/listening_socket.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace upkeep::control {
namespace {

struct SocketName {
  sockaddr_un address{};
  socklen_t size = 0;
  std::string path;
};

std::optional<SocketName> parse_address(std::string_view address) {
  constexpr std::string_view kAbstract = "unix:abstract=";
  constexpr std::string_view kPath = "unix:path=";
  const bool abstract = address.starts_with(kAbstract);
  if (!abstract && !address.starts_with(kPath)) return std::nullopt;
  const auto name = address.substr(abstract ? kAbstract.size() : kPath.size());

  SocketName result;
  result.address.sun_family = AF_UNIX;
  // One byte before an abstract name, one after a path.
  if (name.empty() || name.size() + 1 > sizeof(result.address.sun_path)) return std::nullopt;
  std::memcpy(result.address.sun_path + (abstract ? 1 : 0), name.data(), name.size());
  result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
  if (!abstract) result.path = name;
  return result;
}

UniqueFd new_socket() {
  return UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Whether the socket file belongs to a server that is gone.
bool abandoned(const SocketName& name) {
  const auto probe = new_socket();
  return probe && ::connect(probe.value(), generic(name.address), name.size) < 0 &&
         errno == ECONNREFUSED;
}

/// Sets errno on failure.
bool bind_to(int fd, const SocketName& name) {
  if (::bind(fd, generic(name.address), name.size) == 0) return true;
  if (errno != EADDRINUSE || name.path.empty()) return false;
  if (!abandoned(name)) {
    errno = EADDRINUSE;
    return false;
  }
  ::unlink(name.path.c_str());
  return ::bind(fd, generic(name.address), name.size) == 0;
}

}  // namespace

Result<ListeningSocket> ListeningSocket::create(std::string_view address) {
  const auto name = parse_address(address);
  if (!name) return failure(fmt::format("{}: not an address to listen at", address));
  auto fd = new_socket();
  const auto fail = [&] {
    return failure(fmt::format("unable to listen at {}: {}", address, std::strerror(errno)));
  };
  if (!fd) return fail();
  // Linux gives a socket's mode to the file that bind() makes.
  if (!name->path.empty()) ::fchmod(fd.value(), S_IRUSR | S_IWUSR);
  if (!bind_to(fd.value(), *name) || ::listen(fd.value(), SOMAXCONN) < 0) return fail();
  return ListeningSocket{std::move(fd), name->path};
}

ListeningSocket::~ListeningSocket() {
  if (fd_ && !path_.empty()) ::unlink(path_.c_str());
}

}  // namespace upkeep::control
