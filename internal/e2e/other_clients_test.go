package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// needs skips a test where a program is missing, or fails it if its group must not be skipped.
func needs(t *testing.T, group string, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if required(group) {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// output runs a program and returns what it prints. One that fails fails the test.
func output(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// bothPorts are a server over TLS and one in plaintext, with the authority's file for the first.
func bothPorts(t *testing.T) map[string]struct {
	door *door
	ca   string
} {
	t.Helper()
	a := newAuthority(t)
	secure, _ := newTLSServer(t, a, "")
	return map[string]struct {
		door *door
		ca   string
	}{
		"plaintext": {newDoor(t, newServer(t, "--auth", "token"), nil), ""},
		"TLS":       {newDoor(t, secure, a.client("")), a.file("ca.pem")},
	}
}

// TestCurlOverEveryTransport has REST and streams of events by curl, and Connect, which needs nothing more.
func TestCurlOverEveryTransport(t *testing.T) {
	needs(t, "programs", "curl")
	for name, c := range bothPorts(t) {
		flags := map[string][]string{"HTTP/1.1": {"--http1.1"}, "HTTP/2 known before": {"--http2-prior-knowledge"}}
		if c.ca != "" {
			flags = map[string][]string{"http/1.1": {"--http1.1"}, "h2 and http/1.1": {"--http2"}, "h2 without ALPN for http/1.1": {"--http2-prior-knowledge"}}
		}
		for version, flag := range flags {
			t.Run(name+", "+version, func(t *testing.T) {
				curl := func(args ...string) string {
					all := slices.Concat([]string{"-sS", "--fail-with-body", "--max-time", "20", "-H", "Authorization: Bearer " + c.door.token}, flag, args)
					if c.ca != "" {
						all = append(all, "--cacert", c.ca)
					}
					return output(t, ".", "curl", all...)
				}
				if got := curl(c.door.base + "/v1/auth/whoami"); !strings.Contains(got, `"ann"`) {
					t.Errorf("REST: %s", got)
				}
				if got := curl("--compressed", c.door.base+"/openapi.json"); !strings.HasPrefix(got, "{") {
					t.Errorf("compressed: %.100q", got)
				}
				if got := curl("-H", "Accept: text/event-stream", c.door.base+"/v1/jobs/"+c.door.done+":watch?untilFinal=true"); !strings.Contains(got, "event: end\n") {
					t.Errorf("events: %s", got)
				}
				// Clients of Connect may leave out the header that says which version they speak.
				if got := curl("-H", "Content-Type: application/json", "-d", "{}", c.door.calls+"/stint.auth.v1.AuthService/WhoAmI"); !strings.Contains(got, `"ann"`) {
					t.Errorf("Connect: %s", got)
				}
			})
		}
	}
}

// TestBufCurlOverEveryTransport has calls by buf curl in each protocol; it learns of them by reflection.
func TestBufCurlOverEveryTransport(t *testing.T) {
	if !required("programs") {
		t.Skip("the first use of buf compiles it for minutes")
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range bothPorts(t) {
		for _, protocol := range []string{"grpc", "grpcweb", "connect"} {
			t.Run(name+", "+protocol, func(t *testing.T) {
				args := []string{"tools/go.mod", "buf", "curl", "--protocol", protocol, "-H", "Authorization: Bearer " + c.door.token, "-d", "{}"}
				if c.ca != "" {
					args = append(args, "--cacert", c.ca)
				} else {
					args = append(args, "--http2-prior-knowledge")
				}
				if got := output(t, root, "tools/run.sh", append(args, c.door.calls+"/stint.auth.v1.AuthService/WhoAmI")...); !strings.Contains(got, `"ann"`) {
					t.Errorf("%s", got)
				}
			})
		}
	}
}

// TestNodeOverEveryTransport has calls by connect-node in each protocol, and an EventSource.
func TestNodeOverEveryTransport(t *testing.T) {
	needs(t, "chromium", "node", "npm") // of the group that Node belongs to
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		t.Fatal(err)
	}
	output(t, dir, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
	writeDescriptors(t, filepath.Join(dir, "descriptors.bin"))
	for name, c := range bothPorts(t) {
		t.Run(name, func(t *testing.T) {
			config, err := json.Marshal(map[string]any{
				"base": c.door.base, "calls": c.door.calls, "ca": c.ca, "token": c.door.token, "done": c.door.done, "descriptors": "descriptors.bin", "http2": true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".json"), config, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("NODE_EXTRA_CA_CERTS", c.ca)
			got := output(t, dir, "node", "clients.mjs", name+".json")
			if n := strings.Count(got, "ok "); n != 8 {
				t.Errorf("%d cells of 8 are well:\n%s", n, got)
			}
		})
	}
}

// writeDescriptors writes the contract as a client without generated code reads it.
func writeDescriptors(t *testing.T, file string) {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := make(map[string]bool)
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	for _, f := range contract {
		add(f)
	}
	b, err := proto.Marshal(set)
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("write the descriptors: %w", err))
	}
}
