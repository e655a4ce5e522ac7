// Which of several files defines a job.
#include "os/job_catalog.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "conf/diagnostic.h"
#include "conf/parser.h"

namespace upkeep::os {
namespace {

/// Of one file; init-checkconf shows all.
constexpr std::size_t kMaxWarnings = 10;

std::string first_of(const conf::Errors& errors, const std::string& path) {
  auto text = conf::format_diagnostic(path, errors.front());
  if (errors.size() > 1) {
    const auto* const least = errors.size() == conf::kMaxDiagnostics ? "at least " : "";
    text += fmt::format(" ({}{} more, shown by init-checkconf)", least, errors.size() - 1);
  }
  return text;
}

}  // namespace

std::vector<JobCatalog::Remark> JobCatalog::put(const JobFileId& id, const std::string& path,
                                                Result<std::string> text) {
  auto& file = slot(id);
  std::vector<Remark> remarks;
  if (file && text && file->text == *text) {
    file->walk = walk_;
  } else {
    file = File{};
    file->version = ++versions_;
    file->walk = walk_;
    changed_.insert(id.job);
    if (text) {
      file->text = *std::move(text);
      remarks = parse(id, path, *file);
    } else {
      file->problem = std::move(text.error().message);
    }
  }
  if (!file->problem.empty()) remarks.push_back({core::Priority::Error, file->problem});
  return remarks;
}

std::vector<JobCatalog::Remark> JobCatalog::parse(const JobFileId& id, const std::string& path,
                                                  File& file) {
  // An override is tried alone: whether it can be parsed does not depend on what it is applied to.
  auto job = conf::parse_job(*file.text);
  if (!job) {
    file.problem = first_of(job.error(), path);
    return {};
  }
  if (id.kind == JobFileKind::Conf) {
    job->definition.name = id.job;
    job->definition.path = path;
    file.definition = std::make_shared<const conf::JobDefinition>(std::move(job->definition));
  }
  std::vector<Remark> remarks;
  for (const auto& warning : job->warnings) {
    if (conf::is_about_whole_job(warning.kind)) continue;  // the other file may cure it
    if (remarks.size() == kMaxWarnings) break;
    remarks.push_back({core::Priority::Warning, conf::format_diagnostic(path, warning)});
  }
  return remarks;
}

void JobCatalog::keep(const JobFileId& id) {
  const auto job = jobs_.find(id.job);
  if (job == jobs_.end()) return;
  if (auto& file = job->second.pairs[id.source].of(id.kind)) file->walk = walk_;
}

void JobCatalog::remove(const JobFileId& id) {
  const auto job = jobs_.find(id.job);
  if (job == jobs_.end()) return;
  auto& file = job->second.pairs[id.source].of(id.kind);
  if (!file) return;
  file.reset();
  changed_.insert(id.job);
}

void JobCatalog::remove_below(const JobDirectory& directory) {
  const auto prefix = directory.relative + "/";
  for (auto job = jobs_.lower_bound(prefix); job != jobs_.end() && job->first.starts_with(prefix);
       ++job) {
    remove({directory.source, job->first, JobFileKind::Conf});
    remove({directory.source, job->first, JobFileKind::Override});
  }
}

void JobCatalog::end_walk() {
  for (auto& [name, job] : jobs_) {
    for (auto& pair : job.pairs) {
      for (auto* const file : {&pair.conf, &pair.override_file}) {
        if (!*file || (*file)->walk == walk_) continue;
        file->reset();
        changed_.insert(name);
      }
    }
  }
}

std::vector<core::ConfChange> JobCatalog::changes() {
  std::vector<core::ConfChange> out;
  for (const auto& name : std::exchange(changed_, {})) {
    const auto found = jobs_.find(name);
    auto& job = found->second;
    auto definition = best(job);
    if (definition != job.reported) {
      job.reported = definition;
      if (definition) {
        out.emplace_back(core::JobDefined{std::move(definition)});
      } else {
        out.emplace_back(core::JobUndefined{name});
      }
    }
    const auto is_empty = [](const Pair& pair) { return !pair.conf && !pair.override_file; };
    if (std::ranges::all_of(job.pairs, is_empty)) jobs_.erase(found);
  }
  return out;
}

std::optional<JobCatalog::File>& JobCatalog::slot(const JobFileId& id) {
  auto& job = jobs_[id.job];
  job.pairs.resize(sources_);
  return job.pairs[id.source].of(id.kind);
}

/// The first .conf that could be parsed, with the first override at or before its source. That
/// one override counts even if it cannot be used: it then has no effect, and no other steps in.
JobCatalog::Definition JobCatalog::best(Job& job) {
  const File* override_file = nullptr;
  for (auto& pair : job.pairs) {
    if (override_file == nullptr && pair.override_file) override_file = &*pair.override_file;
    if (pair.conf && pair.conf->definition) return apply(*pair.conf, override_file);
  }
  return nullptr;
}

JobCatalog::Definition JobCatalog::apply(File& conf, const File* override_file) {
  if (override_file == nullptr || !override_file->problem.empty()) return conf.definition;
  if (conf.override_version != override_file->version) {
    auto job = conf::parse_override(*conf.definition, *override_file->text);
    if (!job) return conf.definition;
    conf.overridden = std::make_shared<const conf::JobDefinition>(std::move(job->definition));
    conf.override_version = override_file->version;
  }
  return conf.overridden;
}

}  // namespace upkeep::os
