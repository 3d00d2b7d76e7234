package auth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Certificate says whom a client certificate stands for. It is found by one
// name of the certificate.
type Certificate struct {
	// CommonName, DNS and URI are the name by which the certificate is found: the
	// common name of its subject, or one of its alternative names. Exactly one is given.
	CommonName, DNS, URI string
	// User that the certificate stands for.
	User string
	// Roles beyond RoleUser.
	Roles []string
	// Scopes that it is narrowed to. Empty means none is needed.
	Scopes []string
}

// name is how the certificate is found, and the first part of its public id.
func (c Certificate) name() (string, error) {
	var names []string
	for _, n := range []struct{ kind, value string }{{"URI", c.URI}, {"DNS", c.DNS}, {"CN", c.CommonName}} {
		if n.value != "" {
			names = append(names, n.kind+"="+n.value)
		}
	}
	if len(names) != 1 {
		return "", errors.New("give exactly one of common-name, dns and uri")
	}
	return names[0], nil
}

// Certificates are whom the client certificates stand for, by name. They are read-only.
type Certificates map[string]Certificate

// NewCertificates checks a list.
func NewCertificates(list []Certificate) (Certificates, error) {
	all := make(Certificates, len(list))
	for i, c := range list {
		name, err := c.name()
		if err == nil {
			err = Grant{User: c.User, Roles: c.Roles, Scopes: c.Scopes}.checkNames().Err()
		}
		if _, twice := all[name]; twice && err == nil {
			err = fmt.Errorf("%s is there twice", name)
		}
		if err != nil {
			return nil, fmt.Errorf("number %d: %w", i+1, err)
		}
		all[name] = c
	}
	return all, nil
}

// namesOf are the names by which a certificate may be found, in the order of trust.
func namesOf(c *x509.Certificate) []string {
	var names []string
	for _, u := range c.URIs {
		names = append(names, "URI="+u.String())
	}
	for _, d := range c.DNSNames {
		names = append(names, "DNS="+d)
	}
	if c.Subject.CommonName != "" {
		names = append(names, "CN="+c.Subject.CommonName)
	}
	return names
}

// certificate finds out whom a verified client certificate stands for.
func (a *Authenticator) certificate(c *x509.Certificate) (Principal, error) {
	a.mu.Lock()
	all := a.certificates
	a.mu.Unlock()
	for _, name := range namesOf(c) {
		of, ok := all[name]
		if !ok {
			continue
		}
		p := Principal{
			User: of.User, Roles: []Role{RoleUser}, How: HowCertificate, Expires: c.NotAfter,
			TokenID: name + "#" + c.SerialNumber.Text(16),
		}
		for _, r := range beyondUser(of.Roles) {
			p.Roles = append(p.Roles, Role(r))
		}
		for _, s := range sortedOnce(of.Scopes) {
			p.Scopes = append(p.Scopes, Scope(s))
		}
		return p, nil
	}
	return Principal{}, errCertificate
}

// SetCertificates says anew whom the client certificates stand for. Streams of
// those that are gone, or stand for something else now, end.
func (a *Authenticator) SetCertificates(all Certificates) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.certificates
	a.certificates = all
	for id, guards := range a.guards {
		for g := range guards {
			if g.how == HowCertificate && !sameCertificate(before[nameOfID(id)], all[nameOfID(id)]) {
				g.end(refuse(errCertificate))
			}
		}
	}
}

// nameOfID is the name by which the certificate of a principal was found.
func nameOfID(id string) string {
	return id[:max(0, strings.LastIndexByte(id, '#'))]
}

func sameCertificate(a, b Certificate) bool {
	return a.User == b.User && slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Scopes, b.Scopes)
}
