/*
 * Its first act is a connect(): first_connect ADDRESS PORT. Exit status 0 when connected, else the errno.
 * Walls that stand a moment late would let it pass.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char** argv) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (argc != 3) return 255;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  to.sin_port = htons((unsigned short)atoi(argv[2]));
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  return connect(fd, (struct sockaddr*)&to, sizeof to) == 0 ? 0 : errno;
}
