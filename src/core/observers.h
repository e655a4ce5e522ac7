// Several observers as one: whoever wants to know is added, and nobody needs to know of the others.
#pragma once

#include <algorithm>
#include <vector>

#include "core/observer.h"

namespace upkeep::core {

/// Tells each in the order in which they were added. They must outlive it.
class Observers final : public Observer {
 public:
  void add(Observer& observer) { observers_.push_back(&observer); }

  void job_added(const JobClass& job) override { tell(&Observer::job_added, job); }
  void job_removed(const JobClass& job) override { tell(&Observer::job_removed, job); }
  void instance_added(const JobInstance& one) override { tell(&Observer::instance_added, one); }
  void instance_removed(const JobInstance& one) override { tell(&Observer::instance_removed, one); }
  void goal_changed(const JobInstance& one) override { tell(&Observer::goal_changed, one); }
  void state_changed(const JobInstance& one, State from) override {
    tell(&Observer::state_changed, one, from);
  }
  void failed(const JobInstance& one, int status) override { tell(&Observer::failed, one, status); }
  void event_emitted(const Event& event) override { tell(&Observer::event_emitted, event); }
  void replied(RequestId id, const Reply& reply) override { tell(&Observer::replied, id, reply); }
  [[nodiscard]] bool wants(Priority priority) const override {
    return std::ranges::any_of(observers_,
                               [&](const auto* observer) { return observer->wants(priority); });
  }
  void message(Priority priority, std::string_view text) override {
    tell(&Observer::message, priority, text);
  }
  void session_ended() override { tell(&Observer::session_ended); }

 private:
  template <typename Method, typename... Arguments>
  void tell(Method method, const Arguments&... arguments) {
    for (auto* observer : observers_) (observer->*method)(arguments...);
  }

  std::vector<Observer*> observers_;
};

}  // namespace upkeep::core
