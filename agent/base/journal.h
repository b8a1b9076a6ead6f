// systemd's journal, which takes a log line as fields that can be asked for, not as text that has to be searched.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bulkhead {

using JournalFields = std::vector<std::pair<std::string, std::string>>;

// Standard error leads to the journal: JOURNAL_STREAM, which systemd sets, names the very file that it is.
bool StderrIsJournal();

// The fields of one line: MESSAGE, PRIORITY (as in syslog), BULKHEAD_WHAT (the line without its fields), and for every
// field BULKHEAD_<NAME>; `task` and `object` also give BULKHEAD_TENANT, what stands before their slash. Pure.
JournalFields ToJournal(int priority, const std::string& what, const std::string& line, const JournalFields& fields);

// False when the journal did not take it. Any thread.
bool SendToJournal(const JournalFields& fields);

}  // namespace bulkhead
