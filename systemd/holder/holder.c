// bulkhead-holder: keeps the cgroup of bulkhead-tenants.service alive while no task runs, and lets nothing but tasks live
// below it. systemd starts it once per boot; it has no configuration, no privileges beyond writing cgroup files, and
// nothing to do afterwards. It is never replaced while it runs: a new one takes over at the next boot.
//
// The unit's own cgroup may hold no process once controllers are enabled for its children (cgroup v2), so the holder
// moves into a child first; systemd from 254 on does that by itself (DelegateSubgroup=holder).
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLDER "holder"
static const char kRefused[] = "bulkhead-holder: %s %s: %s\n";

static int Write(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t wrote = write(fd, text, strlen(text));
  const int why = errno;
  close(fd);
  errno = why;
  return wrote == (ssize_t)strlen(text) ? 0 : -1;
}

static int Read(const char* path, char* text, size_t size) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t got = read(fd, text, size - 1);
  const int why = errno;
  close(fd);
  errno = why;
  text[got > 0 ? got : 0] = '\0';
  return got < 0 ? -1 : 0;
}

// The line "0::/path" of /proc/self/cgroup is the one of cgroup v2.
static const char* OwnCgroup(char* text, size_t size) {
  if (Read("/proc/self/cgroup", text, size) != 0) return NULL;
  for (char* line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
    if (strncmp(line, "0::/", 4) == 0 && line[4] != '\0') return line + 3;
  return NULL;
}

static void Path(char* out, const char* folder, const char* file) {
  if (snprintf(out, PATH_MAX, "%s/%s", folder, file) >= PATH_MAX) exit(EXIT_FAILURE);
}

// What `folder` has, its children get; one write per controller, since one that is refused would refuse them all.
static void PassOnControllers(const char* folder) {
  char path[PATH_MAX], offered[1024];
  Path(path, folder, "cgroup.controllers");
  if (Read(path, offered, sizeof(offered)) != 0) return;
  Path(path, folder, "cgroup.subtree_control");
  for (char* name = strtok(offered, " \n"); name != NULL; name = strtok(NULL, " \n")) {
    char enable[64];
    snprintf(enable, sizeof(enable), "+%s", name);
    if (Write(path, enable) != 0) fprintf(stderr, kRefused, "pass on controller", name, strerror(errno));
  }
}

// systemd does not know hugetlb, so it hands down no such controller: every level above is asked for it here. A kernel
// without it refuses; then there are no walls for huge pages, and the agent says so.
static void FetchHugetlb(const char* mount, const char* root) {
  char level[PATH_MAX], path[PATH_MAX];
  for (size_t at = strlen(mount); root[at] != '\0'; ++at) {
    if (root[at] != '/') continue;
    snprintf(level, sizeof(level), "%.*s", (int)at, root);
    Path(path, level, "cgroup.subtree_control");
    if (Write(path, "+hugetlb") != 0) return;
  }
}

static int Refuse(const char* what, const char* which) {
  fprintf(stderr, kRefused, what, which, strerror(errno));
  return EXIT_FAILURE;
}

int main(void) {
  char text[PATH_MAX], root[PATH_MAX], path[PATH_MAX];
  const char* mount = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
  const char* own = OwnCgroup(text, sizeof(text));
  if (own == NULL) return Refuse("find", "the own cgroup in /proc/self/cgroup");
  Path(root, mount, own + 1);
  char* base = strrchr(root, '/');
  if (strcmp(base + 1, HOLDER) == 0) {
    *base = '\0';
  } else {
    Path(path, root, HOLDER);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) return Refuse("make", path);
    Path(path, root, HOLDER "/cgroup.procs");
    if (Write(path, "0") != 0) return Refuse("move into", path);
  }
  FetchHugetlb(mount, root);
  PassOnControllers(root);

  const pid_t child = fork();
  if (child < 0) return Refuse("fork", "the holder");
  if (child > 0) return EXIT_SUCCESS;  // Type=forking: started
  setsid();
  for (;;) pause();
}
