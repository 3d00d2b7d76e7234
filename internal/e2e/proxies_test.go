package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
)

// documentedConfig is the block of that kind in docs/operations.md.
func documentedConfig(t *testing.T, kind string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindSubmatch(b)
	if found == nil {
		t.Fatalf("docs/operations.md shows no configuration of %s", kind)
	}
	return string(found[1])
}

// proxy is a program that stands in front of a server, configured as the documents say.
type proxy struct {
	program string
	// config turns the documented configuration into one for this machine. address is where it listens, pem a file with its certificate and key.
	config func(documented, address, upstream, pem string) string
	args   []string // before the name of the file
	prefix string   // of REST
}

// replaced is text with each old part, which must be there, in its new form.
func replaced(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the documented configuration has no %q:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

const documentedUpstream = "127.0.0.1:8421"

func proxies(t *testing.T) map[string]proxy {
	t.Helper()
	haproxy := func(more string) func(text, address, upstream, pem string) string {
		return func(text, address, upstream, pem string) string {
			return more + replaced(t, text, ":443", address, "/etc/haproxy/gateway.pem", pem, documentedUpstream, upstream)
		}
	}
	return map[string]proxy{
		"nginx": {program: "nginx", args: []string{"-c"}, prefix: "/stint", config: func(text, address, upstream, pem string) string {
			dir := filepath.Dir(pem)
			var temp strings.Builder
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				fmt.Fprintf(&temp, "%s_temp_path %s/%s;\n", kind, dir, kind)
			}
			return fmt.Sprintf("daemon off;\npid %s/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n%sserver { listen %s ssl http2;\nssl_certificate %s;\nssl_certificate_key %s;\n%s }\n}\n",
				dir, temp.String(), address, pem, pem, replaced(t, text, documentedUpstream, upstream))
		}},
		"Caddy": {program: "caddy", args: []string{"run", "--adapter", "caddyfile", "--config"}, config: func(text, address, upstream, pem string) string {
			return "{\nadmin off\nauto_https off\n}\n" + replaced(t, text, "gateway.example.org {", "https://"+address+" {\n tls "+pem+" "+pem, documentedUpstream, upstream)
		}},
		"HAProxy": {program: "haproxy", args: []string{"-db", "-f"}, config: haproxy("")},
		// Its connections to the server then have anybody's requests in any order.
		"HAProxy that shares its connections": {program: "haproxy", args: []string{"-db", "-f"}, config: haproxy("defaults\n    http-reuse always\n")},
	}
}

// start runs the proxy until the test ends, and returns its address.
func (p *proxy) start(t *testing.T, kind, upstream string, a *authority) string {
	t.Helper()
	program, err := exec.LookPath(p.program)
	if err != nil {
		if required("proxies") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	pem := filepath.Join(dir, "gateway.pem")
	var both []byte
	for _, name := range []string{"proxy.pem", "proxy.key"} {
		b, err := os.ReadFile(a.file(name))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	address := freeAddress(t)
	file := filepath.Join(dir, "config")
	text := p.config(documentedConfig(t, kind), address, upstream, pem)
	for name, content := range map[string][]byte{pem: both, file: []byte(text)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, append(p.args, file)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", p.program, log)
		}
	})
	eventually(t, p.program+" listens", func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return address
}

// together sends calls and requests of many clients at a time, which a proxy mixes on its connections.
func (d *door) together(t *testing.T) {
	t.Helper()
	var all sync.WaitGroup
	for n := range 8 {
		client := d.dial(t, d.transports[len(d.transports)-1]) // with HTTP/2
		all.Go(func() {
			for range 20 {
				if n%2 == 0 {
					resp, err := d.get(context.Background(), client, "/v1/auth/whoami")
					if err != nil {
						t.Error(err)
						return
					}
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("REST: %s", resp.Status)
					}
				} else if who, err := d.whoAmI(client, connect.WithGRPC()); err != nil || who != "ann" {
					t.Errorf("gRPC: %q, %v", who, err)
				}
			}
		})
	}
	all.Wait()
}

// A proxy that speaks HTTP/1.1 to the server cannot pass gRPC, and its clients are told so.
func TestGRPCThroughAProxyOfHTTP1SaysWhy(t *testing.T) {
	a := newAuthority(t)
	a.issue("proxy")
	s := newServer(t, "--auth", "token")
	direct := newDoor(t, s, nil)
	all := proxies(t)
	caddy, haproxy := all["Caddy"], all["HAProxy"]
	for name, c := range map[string]struct {
		proxy    proxy
		old, new string
	}{
		"Caddy":   {caddy, "h2c://", ""},
		"HAProxy": {haproxy, " proto h2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inner := c.proxy.config
			c.proxy.config = func(text, address, upstream, pem string) string {
				return inner(replaced(t, text, c.old, c.new), address, upstream, pem)
			}
			address := c.proxy.start(t, strings.ToLower(name), s.address, a)
			d := &door{base: "https://" + address, calls: "https://" + address, tls: a.client(""), token: direct.token, done: direct.done}
			client := d.dial(t, "both")
			d.rest(t, client)
			d.events(t, client)
			if _, err := d.whoAmI(client, connect.WithGRPC()); connect.CodeOf(err) != connect.CodeUnimplemented || !strings.Contains(err.Error(), "gRPC needs HTTP/2") {
				t.Errorf("gRPC: %v", err)
			}
			if who, err := d.whoAmI(client); err != nil || who != "ann" {
				t.Errorf("Connect: %q, %v", who, err)
			}
		})
	}
}

// TestThePortForGRPCAlone has calls, also those that come through a proxy, and says where other requests belong.
func TestThePortForGRPCAlone(t *testing.T) {
	address := freeAddress(t)
	s := newServer(t, "--auth", "token", "--grpc-listen", address)
	d := newDoor(t, s, nil)
	d.base, d.calls = "http://"+address, "http://"+address
	d.grpcLibrary(t)
	d.health(t)
	d.reflection(t)
	client := d.dial(t, "h2c")
	d.connectLibrary(t, client, connect.WithGRPC())
	for protocol, want := range map[string]string{"h1": "HTTP/1.1", "h2c": "HTTP/2.0"} {
		resp, err := d.get(t.Context(), d.dial(t, protocol), "/v1/auth/whoami")
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest || resp.Proto != want || !strings.Contains(body.String(), "OTHER_PORT") || !strings.Contains(body.String(), s.address) {
			t.Errorf("%s: %s %s %s", protocol, resp.Proto, resp.Status, &body)
		}
	}
}
