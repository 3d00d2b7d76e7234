package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/stint-jobs/stint/internal/auth"
)

// TLSConfig is how connections are encrypted.
type TLSConfig struct {
	// Cert and Key are PEM files: the server's certificate with its chain, and its key. Empty means plaintext.
	Cert, Key string
	// ClientCA is a PEM file with the authorities whose client certificates are taken. Empty takes none.
	ClientCA string
	// Insecure lets others than this machine reach the server without encryption.
	Insecure bool
}

func defineTLS(f *pflag.FlagSet, c *TLSConfig) {
	f.StringVar(&c.Cert, "tls-cert", "", "PEM file with the server's certificate and its chain; read again when it changes")
	f.StringVar(&c.Key, "tls-key", "", "PEM file with the key of the certificate")
	f.StringVar(&c.ClientCA, "client-ca", "", "PEM file with the authorities of client certificates, which the section client-certificates of the file gives to users")
	f.BoolVar(&c.Insecure, "insecure-plaintext", false, "let others than this machine reach the server without encryption")
}

func (c TLSConfig) enabled() bool { return c.Cert != "" }

// checkTransport finds what is wrong with how others reach the server.
func (c Config) checkTransport() error {
	t := c.TLS
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case t.ClientCA != "" && !t.enabled():
		return errors.New("--client-ca needs --tls-cert and --tls-key")
	case len(c.Certificates) > 0 && t.ClientCA == "":
		return errors.New("client-certificates need --client-ca, the authority that they are checked against")
	case t.enabled() && t.Insecure:
		return errors.New("--insecure-plaintext and --tls-cert exclude each other")
	}
	for i, address := range c.addresses() {
		if !t.enabled() && !t.Insecure && address != "" && !auth.Loopback(address) {
			return fmt.Errorf("%s: others can reach %s, and what they send would not be encrypted: "+
				"give --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that speaks TLS; --insecure-plaintext takes the risk", []string{"--listen", "--grpc-listen"}[i], address)
		}
	}
	return nil
}

// scheme is how URLs of the server begin.
func (c TLSConfig) scheme() string {
	if c.enabled() {
		return "https"
	}
	return "http"
}

// open reads the files and makes what the port speaks; nil for plaintext.
// TLS 1.2 is the least, with the ciphers and curves that Go's standard library deems good.
func (c TLSConfig) open(log *slog.Logger) (*tls.Config, error) {
	if !c.enabled() {
		return nil, nil //nolint:nilnil // no TLS, no configuration
	}
	pair := &keyPair{cert: c.Cert, key: c.Key, log: log}
	if err := pair.refresh(); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	if c.ClientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(filepath.Clean(c.ClientCA))
	if err != nil {
		return nil, fmt.Errorf("--client-ca: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--client-ca: %s holds no certificate in PEM form", c.ClientCA)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.SessionTicketsDisabled = true // whoever comes back shows the certificate again
	return config, nil
}

// keyPairEvery is how often the files of a keyPair are looked at, at most.
const keyPairEvery = time.Second

// keyPair is a certificate that is read again when its files change. Files that
// do not go together, as while they are being replaced, leave the one before in use.
type keyPair struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    [sha256.Size]byte // what the files held when they were last read
	looked  time.Time
}

// get is the certificate for a handshake.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.looked) >= keyPairEvery {
		if err := p.refresh(); err != nil {
			p.log.Error("the new TLS certificate is no good; the old one stays in use", "error", err)
		}
	}
	return p.current, nil
}

// refresh reads the files. It answers an error once for what they hold.
func (p *keyPair) refresh() error {
	p.looked = time.Now()
	cert, certErr := os.ReadFile(filepath.Clean(p.cert))
	key, keyErr := os.ReadFile(filepath.Clean(p.key))
	seen := sha256.Sum256(fmt.Appendf(nil, "%d %s%s %v %v", len(cert), cert, key, certErr, keyErr))
	if seen == p.seen {
		return nil
	}
	p.seen = seen
	if certErr != nil {
		return fmt.Errorf("--tls-cert: %w", certErr)
	}
	if keyErr != nil {
		return fmt.Errorf("--tls-key: %w", keyErr)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	p.current = &pair
	p.log.Info("TLS certificate", "subject", pair.Leaf.Subject.String(), "names", pair.Leaf.DNSNames, "not_after", pair.Leaf.NotAfter)
	return nil
}
