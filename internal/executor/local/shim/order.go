//go:build linux

package shim

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Order is an attempt that a shim is to supervise. The first comes as arguments, further ones from
// the socket to the server, each as one message. A Go program takes longer to start than all else that
// a shim does for a short job, so a shim whose attempt is over waits for another one for a while.
type Order struct {
	// Attempt is its name.
	Attempt string `json:"attempt"`
	// Token of its ticket.
	Token string `json:"token"`
}

// Send sends the order to an idle shim.
func (o Order) Send(to *os.File) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = to.Write(data)
	return err
}

const (
	// MessageMost is the most bytes of a message between the server and a shim.
	MessageMost = 64 << 10
	// idleMost is how long a shim waits for another order.
	idleMost = time.Minute
)

// nextOrder waits for an order. more is false when there will be none: the server is gone or
// asks for none in a while, or this process is asked to end.
func nextOrder(b *bell) (o Order, more bool) {
	until := time.Now().Add(idleMost)
	for !b.term.Load() && time.Now().Before(until) {
		server := []unix.PollFd{{Fd: serverFD, Events: unix.POLLIN}}
		b.await(server, until)
		if server[0].Revents == 0 {
			continue
		}
		buf := make([]byte, MessageMost)
		n, err := unix.Read(serverFD, buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 || json.Unmarshal(buf[:n], &o) != nil {
			return Order{}, false
		}
		return o, true
	}
	return Order{}, false
}
