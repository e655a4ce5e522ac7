#include "client/endpoint.h"

#include <gtest/gtest.h>

namespace upkeep::client {
namespace {

using Kind = Endpoint::Kind;

const std::string kAddress = "unix:abstract=/com/ubuntu/upstart-session/1000/7";

Kind kind(const EndpointOptions& options, const Surroundings& surroundings) {
  const auto endpoint = choose_endpoint(options, surroundings);
  EXPECT_TRUE(endpoint) << endpoint.error().message;
  return endpoint.value_or(Endpoint{}).kind;
}

TEST(Endpoint, VariableMeansTheSessionUnlessABusIsAskedFor) {
  const Surroundings inside{kAddress, true};
  EXPECT_EQ(choose_endpoint({}, inside).value(), (Endpoint{Kind::UserSocket, kAddress, {}}));
  EXPECT_EQ(kind({.system = true}, inside), Kind::SystemBus);
  EXPECT_EQ(kind({.session = true}, inside), Kind::SessionBus);
  EXPECT_EQ(kind({.user = true, .system = true}, inside), Kind::UserSocket);
}

TEST(Endpoint, OutsideRootUsesTheSocketAndOthersTheBus) {
  EXPECT_EQ(choose_endpoint({}, {{}, true}).value(),
            (Endpoint{Kind::SystemSocket, "unix:abstract=/com/ubuntu/upstart", {}}));
  EXPECT_EQ(choose_endpoint({}, {"", false}).value(),
            (Endpoint{Kind::SystemBus, {}, "com.ubuntu.Upstart"}));
  EXPECT_EQ(kind({.system = true}, {{}, true}), Kind::SystemBus);
}

TEST(Endpoint, DestinationNeedsABus) {
  const EndpointOptions named{.destination = "org.example"};
  EXPECT_EQ(choose_endpoint(named, {{}, false}).value().destination, "org.example");
  const auto refused = choose_endpoint(named, {{}, true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, EndpointError::Kind::Usage);
  EXPECT_EQ(refused.error().message, "--dest given without --system");
}

TEST(Endpoint, UserWithoutVariable) {
  for (const auto& variable : {std::optional<std::string>{}, std::optional<std::string>{""}}) {
    const auto refused = choose_endpoint({.user = true}, {variable, true});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, EndpointError::Kind::Failure);
    EXPECT_EQ(
        refused.error().message,
        "UPSTART_SESSION isn't set in the environment. Unable to locate the Upstart instance.");
  }
}

}  // namespace
}  // namespace upkeep::client
