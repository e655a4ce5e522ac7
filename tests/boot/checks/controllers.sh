# The unit tests that need a cgroup v2 hierarchy with controllers, which containers rarely have.
/checks/upkeep_os_test --gtest_filter='UnifiedControllers*:JobCgroups*' --gtest_color=no
