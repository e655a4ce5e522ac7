#include "control/pending_replies.h"

#include <algorithm>

#include "control/errors.h"

namespace upkeep::control {
namespace {

/// What a reply needs of its call: neither the arguments nor the descriptors that came with it,
/// however many, so that a call that waits costs little.
dbus::Message without_contents(sd_bus_message* call) {
  sd_bus_message* made = nullptr;
  std::uint64_t cookie = 0;
  int result = sd_bus_message_get_cookie(call, &cookie);
  if (result >= 0) {
    result = sd_bus_message_new_method_call(sd_bus_message_get_bus(call), &made, nullptr,
                                            sd_bus_message_get_path(call), nullptr,
                                            sd_bus_message_get_member(call));
  }
  dbus::Message bare{made};
  if (result >= 0) {
    result = sd_bus_message_set_expect_reply(made, sd_bus_message_get_expect_reply(call));
  }
  const char* sender = sd_bus_message_get_sender(call);
  if (result >= 0 && sender) result = sd_bus_message_set_sender(made, sender);
  if (result >= 0) result = sd_bus_message_seal(made, cookie, 0);
  return result >= 0 ? std::move(bare) : dbus::Message{sd_bus_message_ref(call)};
}

}  // namespace

std::optional<core::RequestId> PendingReplies::add(sd_bus_message* call, Answer answer) {
  auto& count = counts_[sd_bus_message_get_bus(call)];
  if (count >= kMaxForOneConnection) return std::nullopt;
  ++count;
  ++last_.value;
  calls_.emplace(last_, Call{without_contents(call), answer});
  return last_;
}

void PendingReplies::answer(core::RequestId id, const core::Reply& reply,
                            const InstancePaths& paths) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;  // the caller has gone
  const Call call = std::move(found->second);
  calls_.erase(found);
  const auto count = counts_.find(sd_bus_message_get_bus(call.message.get()));
  if (--count->second == 0) counts_.erase(count);

  // A reply that cannot be sent means a connection that is about to be closed.
  if (!reply) {
    send_error(call.message.get(), reply.error());
  } else if (call.answer == Answer::InstancePath) {
    const auto path = paths.path(reply->job.name, reply->instance);
    sd_bus_reply_method_return(call.message.get(), "o", path.c_str());
  } else {
    sd_bus_reply_method_return(call.message.get(), "");
  }
}

std::vector<core::RequestId> PendingReplies::forget(sd_bus* connection) {
  std::vector<core::RequestId> forgotten;
  if (counts_.erase(connection) == 0) return forgotten;
  std::erase_if(calls_, [&](const auto& entry) {
    if (sd_bus_message_get_bus(entry.second.message.get()) != connection) return false;
    forgotten.push_back(entry.first);
    return true;
  });
  std::ranges::sort(forgotten);
  return forgotten;
}

}  // namespace upkeep::control
