#include "tools/command.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

namespace upkeep::tools {
namespace {

client::Surroundings surroundings() {
  client::Surroundings result{.root = ::geteuid() == 0};
  if (const char* address = std::getenv("UPSTART_SESSION")) result.upstart_session = address;
  return result;
}

}  // namespace

std::unexpected<Failure> usage_error(std::string message) {
  return std::unexpected(Failure{Failure::Kind::Usage, std::move(message)});
}

std::unexpected<Failure> error(std::string message) {
  return std::unexpected(Failure{Failure::Kind::Error, std::move(message)});
}

std::unexpected<Failure> error(const client::CallError& reason) {
  return error(reason.message);
}

Done<> finished(const client::Outcome<void>& outcome) {
  if (!outcome) return error(outcome.error());
  return {};
}

Done<client::InstanceName> own_instance() {
  const char* job = std::getenv("UPSTART_JOB");
  const char* instance = std::getenv("UPSTART_INSTANCE");
  if (!job || !instance) return usage_error("missing job name");
  return client::InstanceName{job, instance};
}

std::vector<std::string> Invocation::further_arguments() const {
  if (arguments_.empty()) return {};
  return {arguments_.begin() + 1, arguments_.end()};
}

Done<client::Upstart*> Invocation::upstart() {
  if (upstart_) return &*upstart_;
  const auto endpoint = client::choose_endpoint(settings_.endpoint, surroundings());
  if (!endpoint) {
    const bool usage = endpoint.error().kind == client::EndpointError::Kind::Usage;
    return usage ? usage_error(endpoint.error().message) : error(endpoint.error().message);
  }
  auto connection = client::Connection::open(*endpoint);
  if (!connection) return error(connection.error().message);
  return &upstart_.emplace(std::move(*connection));
}

bool Invocation::in_session() const {
  const auto endpoint = client::choose_endpoint(settings_.endpoint, surroundings());
  return endpoint && endpoint->kind == client::Endpoint::Kind::UserSocket;
}

void Invocation::print(std::string_view line) const {
  if (settings_.verbosity != Settings::Verbosity::Quiet) fmt::print("{}\n", line);
}

void Invocation::warn(std::string_view line) const {
  if (settings_.verbosity == Settings::Verbosity::Quiet) return;
  fmt::print(stderr, "{}: warning: {}\n", program_, line);
}

Done<> Invocation::print_outcome(const client::Outcome<std::string>& outcome) const {
  if (!outcome) return error(outcome.error());
  print(*outcome);
  return {};
}

void Invocation::inform(std::string_view line) const {
  if (settings_.verbosity == Settings::Verbosity::Verbose) fmt::print("{}\n", line);
}

}  // namespace upkeep::tools
