package catalog

import (
	"path/filepath"
	"strings"
	"testing"
)

// A command that Linux cannot run is said to be so before a job fails by it.
func TestAnInterpreterThatIsNotThereMakesAServiceUnavailable(t *testing.T) {
	for text, want := range map[string]string{
		"#!/bin/sh\r\necho\r\n":             "line ends of Windows",
		"#!/usr/bin/env python3\r\n":        "line ends of Windows",
		"\ufeff#!/bin/sh\n":                 "byte order mark",
		"#!/opt/nowhere/perl -w\n":          "needs the interpreter /opt/nowhere/perl",
		"#!/usr/bin/env no-such-language\n": "needs the interpreter no-such-language, which is not on the server's PATH",
		"#!/usr\n":                          "needs the interpreter /usr",
		"#!\n":                              "names no interpreter",
		"echo hello\n":                      "begins with neither #!",
		"#! /bin/sh -eu\necho":              "",
		"#!/usr/bin/env sh\n":               "",
		"#!/usr/bin/env -S sh -eu\n":        "",
		"\x7fELF\x02":                       "",
	} {
		for _, remote := range []bool{false, true} {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "S/service.yaml"), "id: S\nlabel: S\ncommand: [run]\n", 0o644)
			write(t, filepath.Join(dir, "S/run"), text, 0o755)
			c, _, err := Load(dir, Options{Path: "/usr/bin:/bin", Remote: func(string) bool { return remote }})
			if err != nil {
				t.Fatal(err)
			}
			ok, why := c.services[0].Available()
			elsewhere := strings.HasPrefix(want, "needs") || strings.HasPrefix(want, "begins")
			if ok != (want == "" || remote && elsewhere) || !ok && !strings.Contains(why, want) {
				t.Errorf("%q, on other machines %v: available %v, %q", text, remote, ok, why)
			}
		}
	}
}
