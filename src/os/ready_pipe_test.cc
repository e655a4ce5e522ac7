#include "os/ready_pipe.h"

#include <string>

#include <fcntl.h>

#include "os/loop_fixture.h"

namespace upkeep::os {
namespace {

using namespace std::chrono_literals;

class ReadyPipeTest : public LoopTest {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    start();
  }

  void start() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    writing_.reset(ends[1]);
    auto made = ReadyPipe::create(loop_.get(), UniqueFd(ends[0]),
                                  {.on_ready =
                                       [this] {
                                         ++ready_;
                                         if (goes_) pipe_.reset();
                                       },
                                   .on_closed =
                                       [this] {
                                         ++closed_;
                                         if (goes_) pipe_.reset();
                                       }});
    ASSERT_TRUE(made) << made.error().message;
    pipe_ = std::move(*made);
  }

  [[nodiscard]] bool write(std::string_view text) const {
    return ::write(writing_.value(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

  UniqueFd writing_;
  std::unique_ptr<ReadyPipe> pipe_;
  int ready_ = 0;
  int closed_ = 0;
  bool goes_ = false;  ///< the pipe goes from inside the hook
};

TEST_F(ReadyPipeTest, ANewlineFromAProcessIsReadiness) {
  child([this] {
    if (!write("\n")) ::_exit(1);
    ::pause();
  });
  ASSERT_TRUE(run_until([&] { return ready_ > 0; }));
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(closed_, 0);
}

TEST_F(ReadyPipeTest, OnlyANewlineCounts) {
  ASSERT_TRUE(write("not yet \r"));
  run_what_is_ready();
  EXPECT_EQ(ready_, 0);
  ASSERT_TRUE(write("but now:\nand more\n\n"));
  run_what_is_ready();
  EXPECT_EQ(ready_, 1);
}

TEST_F(ReadyPipeTest, TheEndBeforeANewlineIsTold) {
  ASSERT_TRUE(write("not ready"));
  writing_.reset();
  ASSERT_TRUE(run_until([&] { return closed_ > 0; }));
  run_what_is_ready();
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(ready_, 0);
}

TEST_F(ReadyPipeTest, TheEndAfterANewlineIsNotTold) {
  const auto open_before = open_descriptors();
  ASSERT_TRUE(write("\n"));
  writing_.reset();
  ASSERT_TRUE(run_until([&] { return ready_ > 0; }));
  run_what_is_ready();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(open_descriptors(), open_before - 2) << "it closes itself";
}

TEST_F(ReadyPipeTest, WhoGoesOnWritingIsNotHeldUp) {
  ASSERT_TRUE(write("\n"));
  ASSERT_TRUE(run_until([&] { return ready_ > 0; }));
  const pid_t pid = child([this] {  // three times what a pipe holds
    for (int i = 0; i < 3 * 64; ++i) {
      if (!write(std::string(1024, '\n'))) ::_exit(1);
    }
  });
  ASSERT_TRUE(run_until([&] {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
  }));
  EXPECT_TRUE(wait_for(pid));
  EXPECT_EQ(ready_, 1);
}

TEST_F(ReadyPipeTest, AFloodIsHeldBack) {
  child([this] {
    while (write(std::string(4096, 'x'))) {
    }
  });
  int turns = 0;
  const auto count = [](sd_event_source*, void* turns_seen) {
    return ++*static_cast<int*>(turns_seen) * 0;
  };
  sd_event_source* source = nullptr;
  ASSERT_GE(sd_event_add_post(loop_.get(), &source, count, &turns), 0);
  const loop::EventSource owner(source);
  const auto begin = Clock::now();
  run_for(500ms);
  // Each turn of the pipe is followed by one of the post source.
  EXPECT_LE(turns, ((Clock::now() - begin) / 100ms + 2) * 10 * 2);
  EXPECT_GT(turns, 0);
}

TEST_F(ReadyPipeTest, LookReadsAllThatHasBeenSaid) {
  ASSERT_TRUE(write(std::string(60'000, 'x') + "\n"));
  pipe_->look();
  EXPECT_EQ(ready_, 1);
  pipe_->look();
  writing_.reset();
  pipe_->look();
  pipe_->look();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(closed_, 0);

  start();
  pipe_->look();
  EXPECT_EQ(closed_, 0);
  writing_.reset();
  pipe_->look();
  EXPECT_EQ(closed_, 1);
}

TEST_F(ReadyPipeTest, MayGoFromInsideAHook) {
  goes_ = true;
  ASSERT_TRUE(write("\n more"));
  run_what_is_ready();
  EXPECT_EQ(ready_, 1);
  EXPECT_FALSE(write("x")) << "nobody reads any more";

  start();
  writing_.reset();
  run_what_is_ready();
  EXPECT_EQ(closed_, 1);
}

}  // namespace
}  // namespace upkeep::os
