/* Both parties of many calls: they send RTP to a relay at a steady rate, and hear what comes out of it.
 *
 *   parties HOST FIRST SOCKETS INTERVAL SECONDS < PORTS
 *
 * opens SOCKETS UDP sockets on HOST from port FIRST on, and reads as many ports of the relay. For SECONDS each
 * socket sends one packet of G.711 every INTERVAL us to its port, no two sockets at the same time. Prints how
 * many packets were sent, how many came, and the median and 99th percentile of their delay in us. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define SIZE 172        /* 20 ms of G.711 */
#define BATCH 16
#define LONGEST 200000  /* delays are told apart up to 200 ms, in us */

static uint32_t delays[LONGEST + 1];
static uint64_t received;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void hear(int poll, int timeout)
{
    static struct epoll_event event[256];
    static char packet[BATCH][2048];
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH];
    int ready = epoll_wait(poll, event, 256, timeout);
    for (int e = 0; e < ready; e++) {
        for (int i = 0; i < BATCH; i++) {
            part[i] = (struct iovec){packet[i], sizeof packet[i]};
            message[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &part[i], .msg_iovlen = 1}};
        }
        int got = recvmmsg(event[e].data.fd, message, BATCH, MSG_DONTWAIT, NULL);
        double at = now(), sent;
        for (int i = 0; i < got; i++) {
            if (message[i].msg_len != SIZE) continue;   /* a keep-alive */
            memcpy(&sent, packet[i] + 12, sizeof sent);
            double us = (at - sent) * 1e6;
            delays[us < 0 ? 0 : us > LONGEST ? LONGEST : (int)us]++;
            received++;
        }
    }
}

static int percentile(double share)
{
    uint64_t below = 0;
    for (int us = 0; us <= LONGEST; us++)
        if ((below += delays[us]) > share * received) return us;
    return LONGEST;
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    int first = atoi(argv[2]), sockets = atoi(argv[3]), poll = epoll_create1(0);
    double interval = atof(argv[4]) / 1e6, seconds = atof(argv[5]);
    int *fd = calloc(sockets, sizeof *fd);
    struct sockaddr_in *to = calloc(sockets, sizeof *to);
    for (int s = 0; s < sockets; s++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(first + s)};
        int port, room = 1 << 20;
        inet_pton(AF_INET, argv[1], &at.sin_addr);
        fd[s] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        setsockopt(fd[s], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (bind(fd[s], (struct sockaddr *)&at, sizeof at) || scanf("%d", &port) != 1) return perror("bind"), 1;
        to[s] = at, to[s].sin_port = htons(port);
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd[s]};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd[s], &wanted);
    }
    unsigned char packet[SIZE] = {0x80, 0};
    uint64_t sent = 0, total = (uint64_t)(seconds / interval) * sockets;
    double began = now();
    while (sent < total) {
        uint64_t due = (now() - began) / interval * sockets;
        for (int burst = 0; sent < due && sent < total && burst < 64; burst++, sent++) {
            uint32_t turn = sent / sockets, stamp = htonl(160 * (turn + 1)), ssrc = htonl(sent % sockets + 1);
            double at = now();
            packet[2] = turn >> 8, packet[3] = turn;
            memcpy(packet + 4, &stamp, 4), memcpy(packet + 8, &ssrc, 4), memcpy(packet + 12, &at, sizeof at);
            struct sockaddr *there = (struct sockaddr *)&to[sent % sockets];
            sendto(fd[sent % sockets], packet, SIZE, 0, there, sizeof *to);
        }
        hear(poll, sent < due ? 0 : 1);
    }
    for (double until = now() + 0.3; received < sent && now() < until;) hear(poll, 10);
    printf("%llu %llu %d %d\n", (unsigned long long)sent, (unsigned long long)received, percentile(0.5),
           percentile(0.99));
    return 0;
}
