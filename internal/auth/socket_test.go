package auth

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	"github.com/stint-jobs/stint/internal/layers"
)

// serveSocket runs the service for the operator's socket on a listener.
func (f *fixture) serveSocket(t *testing.T, listener net.Listener) *service {
	t.Helper()
	s := &service{caller: make(chan Principal, 1), ended: make(chan error, 1)}
	server := grpc.NewServer(grpc.Creds(SocketCreds()), grpc.UnaryInterceptor(layers.Unary(f.auth.Layer)), grpc.StreamInterceptor(layers.Stream(f.auth.Layer)))
	authv1.RegisterTokenServiceServer(server, tokenService{service: s})
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, target string) authv1.TokenServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return authv1.NewTokenServiceClient(conn)
}

func listenUnix(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheSocketIsTheLocalAdmin(t *testing.T) {
	f := newFixture(t, ModeToken)
	l := listenUnix(t)
	s := f.serveSocket(t, l)
	if _, err := dial(t, "unix:"+l.Addr().String()).ListTokens(t.Context(), &authv1.ListTokensRequest{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Principal{User: "local admin", Roles: []Role{RoleUser, RoleOperator}, How: HowSocket}, <-s.caller); diff != "" {
		t.Fatal(diff)
	}
}

func TestTheSocketIsNoSocketOfTheNetwork(t *testing.T) {
	f := newFixture(t, ModeDev)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.serveSocket(t, l)
	_, err = dial(t, l.Addr().String()).ListTokens(t.Context(), &authv1.ListTokensRequest{})
	if status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
}

func TestTheSocketKnowsWhoIsAtTheOtherEnd(t *testing.T) {
	l := listenUnix(t)
	defer l.Close()
	for _, c := range []struct {
		uid   int
		admit bool
	}{{os.Geteuid(), true}, {os.Geteuid() + 65534, false}} {
		if c.uid != os.Geteuid() && os.Geteuid() != 0 {
			t.Skip("only root can be somebody else")
		}
		done := make(chan error)
		go func() { done <- connectAs(l.Addr().String(), c.uid) }()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, info, err := SocketCreds().ServerHandshake(conn)
		if (err == nil) != c.admit {
			t.Fatalf("system user %d: %v", c.uid, err)
		}
		if c.admit {
			if p, ok := info.(SocketPeer); !ok || int(p.UID) != c.uid || int(p.PID) != os.Getpid() {
				t.Fatalf("the peer is %+v", info)
			}
			conn.Close()
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// connectAs connects as another system user, which only one thread becomes. The thread ends with the goroutine.
func connectAs(path string, uid int) error {
	runtime.LockOSThread()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if uid != os.Geteuid() {
		if err := os.Chmod(path, 0o777); err != nil {
			return err
		}
		// The folders above are not open to others; the capability to pass them goes with being root.
		if _, _, e := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0); e != 0 {
			return e
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			return e
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		data[0].Permitted = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
		data[0].Effective = data[0].Permitted
		if err := unix.Capset(&header, &data[0]); err != nil {
			return err
		}
	}
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}
