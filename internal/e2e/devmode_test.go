package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// Development mode serves its own user, and neither a proxy nor anybody else.
func TestDevelopmentModeServesItsOwnUserAlone(t *testing.T) {
	s := newServer(t)
	who := authv1.NewAuthServiceClient(s.conn)
	if resp, err := who.WhoAmI(t.Context(), &authv1.WhoAmIRequest{}); err != nil || len(resp.GetRoles()) != 2 {
		t.Fatalf("the own user: %v, %v", resp, err)
	}
	for _, header := range []string{"x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip"} {
		_, err := who.WhoAmI(metadata.AppendToOutgoingContext(t.Context(), header, "203.0.113.9"), &authv1.WhoAmIRequest{})
		if status.Code(err) != codes.PermissionDenied || reasonOf(status.Convert(err).Proto()) != "DEVELOPMENT_MODE" {
			t.Errorf("gRPC with %s: %v", header, err)
		}
		if got := s.plainly(t, "HTTP/1.1", header+": 203.0.113.9"); !strings.Contains(got, " 403 ") || !strings.Contains(got, "DEVELOPMENT_MODE") {
			t.Errorf("REST with %s: %s", header, got)
		}
	}
	if got := s.plainly(t, "HTTP/1.1", "Accept: */*"); !strings.Contains(got, " 200 ") {
		t.Errorf("REST: %s", got)
	}
	if got := s.plainly(t, "HTTP/1.0", "Accept: */*"); !strings.Contains(got, "DEVELOPMENT_MODE") {
		t.Errorf("HTTP/1.0: %s", got)
	}
}

// plainly sends a request over a connection of its own and returns the answer, as text.
func (s *server) plainly(t *testing.T, version, header string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/auth/whoami %s\r\nHost: %s\r\nConnection: close\r\n%s\r\n\r\n", version, s.address, header)
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// nobody is Debian's user without rights.
const nobody = 65534

func TestDevelopmentModeRefusesOtherUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	s := newServer(t)
	host, port, _ := net.SplitHostPort(s.address)
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s; printf 'GET /v1/auth/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3; cat <&3`, host, port)
	for uid, want := range map[uint32]string{0: " 200 ", nobody: "DEVELOPMENT_MODE"} {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("uid %d: %v, %s", uid, err, out)
		}
	}
}

// TestDevelopmentModeBehindNginx has Debian's nginx as it comes in front, with nothing but proxy_pass.
func TestDevelopmentModeBehindNginx(t *testing.T) {
	s := newServer(t)
	front := startNginx(t, "", fmt.Sprintf("location / { proxy_pass http://%s; }", s.address))
	resp, err := http.Get(front + "/v1/auth/whoami")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "DEVELOPMENT_MODE") {
		t.Errorf("%s %s, %v", resp.Status, body, err)
	}
}

// startNginx runs nginx with the locations of one server, and returns its URL. protocol is what its port speaks besides HTTP/1.1. Without nginx the test is skipped.
func startNginx(t *testing.T, protocol, locations string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	address := freeAddress(t)
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("daemon off;\npid %[1]s/pid;\nerror_log stderr notice;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\n"+
		"fastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/s;\nserver { listen %[2]s%[4]s; %[3]s }\n}\n", dir, address, locations, protocol)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-c", config)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		if strings.Contains(lines.Text(), "start worker process ") { // it listens by then
			go func() { _, _ = io.Copy(io.Discard, errs) }()
			return "http://" + address
		}
	}
	t.Fatal("nginx did not start")
	return ""
}

// freeAddress is an address of loopback at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
