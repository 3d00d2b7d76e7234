package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// The operator's socket is `admin.sock` in the server's folder. Who can reach
// it is an operator: the system's user that the server runs as, and root.

const socketName = "admin.sock"

// maxSocketPath is what a unix socket's address can hold (man 7 unix: 108 bytes with the NUL).
const maxSocketPath = 107

// errNoServer: no server runs on the folder.
var errNoServer = errors.New("no server runs on this folder")

// listenSocket listens on a socket in the server's folder. One that a killed server left is replaced:
// whoever calls this holds the lock on the database.
func listenSocket(data, name string) (net.Listener, error) {
	path := filepath.Join(data, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace the old socket %s: %w", name, err)
	}
	addr, done, err := socketAddress(data, name)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.Listen("unix", addr) //nolint:noctx // listening on a socket does not block
	if err != nil {
		return nil, fmt.Errorf("listen on the socket %s: %w", name, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the socket %s: %w", name, err), l.Close())
	}
	return l, nil
}

// dialSocket reaches the server that runs on the folder, or answers errNoServer.
func dialSocket(ctx context.Context, data string) (*grpc.ClientConn, error) {
	addr, done, err := socketAddress(data, socketName)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var d net.Dialer
	first, err := d.DialContext(ctx, "unix", addr)
	if err != nil {
		done()
		return nil, errNoServer
	}
	_ = first.Close() // only to see whether somebody is there
	return grpc.NewClient("passthrough:///"+socketName,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", addr) }))
}

// socketAddress is a socket's path, or where that is too long for an address, one through an
// open folder, which is good until done is called.
func socketAddress(data, name string) (addr string, done func(), err error) {
	path := filepath.Join(data, name)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Clean(data))
	if err != nil {
		return "", nil, fmt.Errorf("open the server's folder: %w", err)
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), name), func() { _ = dir.Close() }, nil
}
