package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// startTLS serves a fake with a certificate of its own, and answers the address and the certificate's file.
func startTLS(t *testing.T) (addr, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := startFake(t)
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})))
	authv1.RegisterAuthServiceServer(s, f)
	go s.Serve(l) //nolint:errcheck // ends with Stop
	t.Cleanup(s.Stop)
	return l.Addr().String(), caFile
}

func TestTLSIsVerifiedAndItsTroublesHaveAWayOut(t *testing.T) {
	addr, caFile := startTLS(t)
	plain := startFake(t).addr
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"trusted", []string{"--server", addr, "--ca-file", caFile}, 0, ""},
		{"by scheme", []string{"--server", "https://" + addr, "--ca-file", caFile}, 0, ""},
		{"not trusted", []string{"--server", addr, "--tls"}, exitUnreachable, "--ca-file FILE names the authority"},
		{"plain to TLS", []string{"--server", addr}, exitUnreachable, "cannot reach the server at " + addr},
		{"TLS to plain", []string{"--server", plain, "--tls"}, exitUnreachable, "It does not speak TLS"},
		{"no certificates", []string{"--server", addr, "--ca-file", empty}, exitUsage, "holds no certificate"},
		{"no file", []string{"--server", addr, "--ca-file", empty + "-none"}, exitUsage, "--ca-file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := stint(nil, append([]string{"whoami"}, test.args...)...).want(t, test.code)
			wantIn(t, r.err, test.want)
		})
	}
}
