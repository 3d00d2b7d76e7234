package server

import (
	"fmt"

	"github.com/stint-jobs/stint/internal/auth"
)

// CertificateConfig is one entry of the section `client-certificates` of the
// configuration file: a client certificate, and whom it stands for.
type CertificateConfig struct {
	// CommonName is the common name of the certificate's subject.
	CommonName string `yaml:"common-name"`
	// DNS is a DNS name among its alternative names.
	DNS string `yaml:"dns"`
	// URI is a URI among its alternative names.
	URI string `yaml:"uri"`
	// User that it stands for.
	User string `yaml:"user"`
	// Roles beyond `user`.
	Roles []string `yaml:"roles"`
	// Scopes that it is narrowed to. Empty means no narrowing.
	Scopes []string `yaml:"scopes"`
}

// sectionCertificates is the section's name.
const sectionCertificates = "client-certificates"

// certificates is a section in the words of package auth.
func certificates(section []CertificateConfig) (auth.Certificates, error) {
	list := make([]auth.Certificate, len(section))
	for i, c := range section {
		list[i] = auth.Certificate(c)
	}
	all, err := auth.NewCertificates(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sectionCertificates, err)
	}
	return all, nil
}

// reloadCertificates reads the section again. One that is wrong leaves what was before.
func (s *server) reloadCertificates() {
	if s.cfg.TLS.ClientCA == "" || s.cfg.File == "" {
		return
	}
	var section []CertificateConfig
	err := readSection(s.cfg.File, sectionCertificates, &section)
	var all auth.Certificates
	if err == nil {
		all, err = certificates(section)
	}
	if err != nil {
		s.log.Error("read the client certificates again", "error", err)
		return
	}
	s.auth.SetCertificates(all)
	s.log.Info("client certificates were read again", "certificates", len(all))
}

// readSection decodes one section of a configuration file.
func readSection(path, name string, into any) error {
	nodes, err := readNodes(path)
	if err != nil {
		return err
	}
	n, ok := nodes[name]
	if !ok {
		return nil
	}
	if err := strict(&n, into); err != nil {
		return fmt.Errorf("%s: %s: %w", path, name, err)
	}
	return nil
}
