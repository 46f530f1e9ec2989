/* The floor under every relay: packets forwarded in batches with recvmmsg and sendmmsg, nothing checked.
 *
 *   floor FIRST CALLS PARTIES
 *
 * opens 2*CALLS UDP sockets on 127.0.9.9 from port FIRST on. What comes in at socket s leaves socket s^1
 * for port PARTIES + (s^1). Prints "ready", and ends when standard input does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 16
#define SIZE 2048

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    int first = atoi(argv[1]), sockets = 2 * atoi(argv[2]), parties = atoi(argv[3]);
    int *fd = calloc(sockets, sizeof *fd), poll = epoll_create1(0);
    for (int s = 0; s < sockets; s++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(first + s)};
        at.sin_addr.s_addr = htonl(0x7F000909);
        fd[s] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (bind(fd[s], (struct sockaddr *)&at, sizeof at)) return perror("bind"), 1;
        struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = s};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd[s], &wanted);
    }
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = sockets};
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &input);
    puts("ready");
    fflush(stdout);

    static char packet[BATCH][SIZE];
    static struct iovec part[BATCH];
    static struct mmsghdr message[BATCH];
    static struct epoll_event event[256];
    for (;;) {
        int count = epoll_wait(poll, event, 256, -1);
        for (int e = 0; e < count; e++) {
            int s = event[e].data.u32;
            if (s == sockets) return 0;
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(parties + (s ^ 1))};
            to.sin_addr.s_addr = htonl(0x7F000909);
            for (int i = 0; i < BATCH; i++) {
                part[i] = (struct iovec){packet[i], SIZE};
                message[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &part[i], .msg_iovlen = 1}};
            }
            int got = recvmmsg(fd[s], message, BATCH, 0, NULL);
            for (int i = 0; i < got; i++) {
                part[i].iov_len = message[i].msg_len;
                message[i].msg_hdr.msg_name = &to;
                message[i].msg_hdr.msg_namelen = sizeof to;
            }
            if (got > 0) sendmmsg(fd[s ^ 1], message, got, 0);
        }
    }
}
