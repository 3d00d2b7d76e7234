package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// curl runs it with a token, and returns what it prints.
func (d *door) curl(t *testing.T, transport string, args ...string) string {
	t.Helper()
	needs(t, "programs", "curl")
	flag := map[string]string{"h1": "--http1.1", "h2c": "--http2-prior-knowledge", "h2": "--http2-prior-knowledge", "both": "--http2"}[transport]
	all := slices.Concat([]string{"-sS", "--fail-with-body", "--max-time", "20", "-H", "Authorization: Bearer " + d.token, flag}, args)
	if d.tls != nil {
		all = append(all, "--cacert", d.ca)
	}
	return output(t, ".", "curl", all...)
}

// bufCurl makes a call in a protocol by buf curl, which learns of it by reflection, and returns what it prints.
func (d *door) bufCurl(t *testing.T, protocol, call string) string {
	t.Helper()
	if !required("programs") {
		t.Skip("the first use of buf compiles it for minutes")
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"tools/go.mod", "buf", "curl", "--protocol", protocol, "-H", "Authorization: Bearer " + d.token, "-d", "{}"}
	if d.tls != nil {
		args = append(args, "--cacert", d.ca)
	} else {
		args = append(args, "--http2-prior-knowledge")
	}
	return output(t, root, "tools/run.sh", append(args, d.calls+call)...)
}

// nodePrograms is a folder with the programs of testdata/node and what they need.
func nodePrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		t.Fatal(err)
	}
	output(t, dir, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
	writeDescriptors(t, filepath.Join(dir, "descriptors.bin"))
	return dir
}

// node runs the clients of testdata/node and returns a line for each.
func (d *door) node(t *testing.T, dir string) string {
	t.Helper()
	config, err := json.Marshal(map[string]any{
		"base": d.base, "calls": d.calls, "ca": d.ca, "token": d.token, "done": d.done, "descriptors": "descriptors.bin", "http2": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NODE_EXTRA_CA_CERTS", d.ca)
	return output(t, dir, "node", "clients.mjs", file)
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
