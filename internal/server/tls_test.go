package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlaintextForOthersNeedsAWord(t *testing.T) {
	entry := []CertificateConfig{{CommonName: "x", User: "x"}}
	for name, c := range map[string]struct {
		cfg  Config
		want string // of the error
	}{
		"plaintext on loopback":     {Config{Listen: "127.0.0.1:1"}, ""},
		"plaintext for others":      {Config{Listen: "0.0.0.0:1"}, "--insecure-plaintext"},
		"gRPC for others":           {Config{Listen: "127.0.0.1:1", GRPCListen: "0.0.0.0:2"}, "--grpc-listen: others can reach"},
		"plaintext on any":          {Config{Listen: ":1"}, "--tls-cert and --tls-key"},
		"plaintext for others, yes": {Config{Listen: "0.0.0.0:1", TLS: TLSConfig{Insecure: true}}, ""},
		"TLS for others":            {Config{Listen: "0.0.0.0:1", TLS: TLSConfig{Cert: "c", Key: "k"}}, ""},
		"a certificate alone":       {Config{Listen: "127.0.0.1:1", TLS: TLSConfig{Cert: "c"}}, "go together"},
		"a key alone":               {Config{Listen: "127.0.0.1:1", TLS: TLSConfig{Key: "k"}}, "go together"},
		"clients without TLS":       {Config{Listen: "127.0.0.1:1", TLS: TLSConfig{ClientCA: "a"}}, "--client-ca needs"},
		"clients of no authority":   {Config{Listen: "127.0.0.1:1", TLS: TLSConfig{Cert: "c", Key: "k"}, Certificates: entry}, "client-certificates need --client-ca"},
		"clients":                   {Config{Listen: "127.0.0.1:1", TLS: TLSConfig{Cert: "c", Key: "k", ClientCA: "a"}, Certificates: entry}, ""},
		"both":                      {Config{Listen: "0.0.0.0:1", TLS: TLSConfig{Cert: "c", Key: "k", Insecure: true}}, "exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.cfg.checkTransport()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// pemFiles writes a new certificate and answers its bytes.
func pemFiles(t *testing.T, certFile, keyFile string) []byte {
	t.Helper()
	c, _ := newCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return c.Certificate[0]
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateIsReadAgainWhenItChanges(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		first := pemFiles(t, certFile, keyFile)
		p := &keyPair{cert: certFile, key: keyFile, log: slog.New(slog.NewTextHandler(&log, nil))}
		if err := p.refresh(); err != nil {
			t.Fatal(err)
		}
		uses := func(what string, want []byte) {
			t.Helper()
			got, err := p.get(nil)
			if err != nil || string(got.Certificate[0]) != string(want) {
				t.Fatalf("%s: another certificate is in use, %v", what, err)
			}
		}
		uses("at first", first)
		second := pemFiles(t, certFile, keyFile)
		uses("within the second", first)
		<-time.After(keyPairEvery)
		uses("after it", second)

		writeFile(t, certFile, []byte("half of a certif"))
		for range 3 {
			<-time.After(keyPairEvery)
			uses("while the file is no good", second)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors were logged:\n%s", n, log.String())
		}
		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
		<-time.After(keyPairEvery)
		uses("while a file is missing", second)
		third := pemFiles(t, certFile, keyFile)
		<-time.After(keyPairEvery)
		uses("in the end", third)
		if strings.Contains(log.String(), "PRIVATE KEY") {
			t.Error("a key was logged")
		}
	})
}

func TestWrongTLSFilesAreSaidAtStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	pemFiles(t, file("cert"), file("key"))
	pemFiles(t, file("cert2"), file("key2"))
	writeFile(t, file("empty"), nil)
	for _, c := range []struct {
		cfg  TLSConfig
		want string
	}{
		{TLSConfig{Cert: file("none"), Key: file("key")}, "--tls-cert: open"},
		{TLSConfig{Cert: file("cert"), Key: file("none")}, "--tls-key: open"},
		{TLSConfig{Cert: file("cert"), Key: file("key2")}, "--tls-cert and --tls-key: "},
		{TLSConfig{Cert: file("cert"), Key: file("key"), ClientCA: file("none")}, "--client-ca: open"},
		{TLSConfig{Cert: file("cert"), Key: file("key"), ClientCA: file("empty")}, "holds no certificate"},
	} {
		if _, err := c.cfg.open(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	config, err := TLSConfig{Cert: file("cert"), Key: file("key"), ClientCA: file("cert2")}.open(slog.New(slog.DiscardHandler))
	if err != nil || config.MinVersion != tls.VersionTLS12 || config.ClientAuth != tls.VerifyClientCertIfGiven {
		t.Errorf("%+v, %v", config, err)
	}
}

func TestTheSectionOfClientCertificates(t *testing.T) {
	const head = "listen: 127.0.0.1:0\ntls-cert: c\ntls-key: k\nclient-ca: a\n"
	c, err := configured(t, head+"client-certificates:\n- {common-name: gw, user: gateway, roles: [service], scopes: ['jobs:read']}\n- {uri: 'spiffe://a/b', user: b}\n")
	if err != nil {
		t.Fatal(err)
	}
	all, err := certificates(c.Certificates)
	if err != nil || len(all) != 2 || all["CN=gw"].User != "gateway" || all["URI=spiffe://a/b"].User != "b" {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := configured(t, head+"client-certificates:\n- {cn: gw, user: gateway}\n"); err == nil || !strings.Contains(err.Error(), "cn") {
		t.Errorf("an unknown key: %v", err)
	}
	for want, section := range map[string][]CertificateConfig{
		"exactly one":  {{CommonName: "a", DNS: "b", User: "u"}},
		"user":         {{CommonName: "a"}},
		"roles[0]":     {{CommonName: "a", User: "u", Roles: []string{"root"}}},
		"scopes[0]":    {{CommonName: "a", User: "u", Scopes: []string{"all"}}},
		"number 2: CN": {{CommonName: "a", User: "u"}, {CommonName: "a", User: "v"}},
	} {
		if _, err := certificates(section); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
