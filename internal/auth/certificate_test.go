package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

// certificateOf is a verified client certificate as the handshake hands it over.
func certificateOf(name string, end time.Time, alternative ...string) *x509.Certificate {
	c := &x509.Certificate{SerialNumber: big.NewInt(255), Subject: pkix.Name{CommonName: name}, NotAfter: end}
	for _, a := range alternative {
		if u, err := url.Parse(a); err == nil && u.Scheme != "" {
			c.URIs = append(c.URIs, u)
		} else {
			c.DNSNames = append(c.DNSNames, a)
		}
	}
	return c
}

func mapped(t *testing.T, list ...Certificate) Certificates {
	t.Helper()
	all, err := NewCertificates(list)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhomACertificateStandsFor(t *testing.T) {
	end := time.Now().Add(time.Hour)
	for _, mode := range []Mode{ModeToken, ModeDev} {
		f := newFixture(t, mode)
		f.auth.SetCertificates(mapped(t,
			Certificate{CommonName: "gw", User: "gateway", Roles: []string{"service"}, Scopes: []string{"jobs:read"}},
			Certificate{DNS: "worker.example.org", User: "worker"},
			Certificate{URI: "spiffe://a/b", User: "spiffe"},
		))
		identify := func(c *x509.Certificate) (Principal, error) {
			return f.auth.Identify(t.Context(), Credentials{Certificate: c, Address: "192.0.2.7"})
		}
		p, err := identify(certificateOf("gw", end))
		want := Principal{
			User: "gateway", Roles: []Role{RoleUser, RoleService}, Scopes: []Scope{ScopeJobsRead}, How: HowCertificate,
			Address: "192.0.2.7", TokenID: "CN=gw#ff", Expires: end,
		}
		if diff := cmp.Diff(want, p); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		for user, c := range map[string]*x509.Certificate{
			"worker": certificateOf("gw", end, "worker.example.org"), // alternative names go before the subject's
			"spiffe": certificateOf("", end, "worker.example.org", "spiffe://a/b"),
		} {
			if p, err := identify(c); err != nil || p.User != user {
				t.Errorf("%+v, %v, want %s", p, err, user)
			}
		}
		for _, c := range []*x509.Certificate{certificateOf("worker.example.org", end), certificateOf("", end, "gw"), certificateOf("", end), certificateOf("GW", end)} {
			_, err := identify(c)
			wantStatus(t, err, codes.Unauthenticated, "CERTIFICATE_UNKNOWN")
		}
		_, err = identify(certificateOf("gw", time.Now()))
		wantStatus(t, err, codes.Unauthenticated, "CERTIFICATE_EXPIRED")
		_, token := f.token(t, Grant{User: "ann"})
		p, err = f.auth.Identify(t.Context(), Credentials{Certificate: certificateOf("stranger", end), Authorization: []string{"Bearer " + token}})
		if err != nil || p.User != "ann" {
			t.Errorf("a token over a stranger's connection: %+v, %v", p, err)
		}
	}
}

func TestStreamsEndWithTheirCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		gone, stays, changes := Certificate{CommonName: "gone", User: "a"}, Certificate{CommonName: "stays", User: "b"}, Certificate{CommonName: "changes", User: "c"}
		f.auth.SetCertificates(mapped(t, gone, stays, changes))
		begin := func(name string, life time.Duration) (Principal, cutStream) {
			p, err := f.auth.Identify(t.Context(), Credentials{Certificate: certificateOf(name, time.Now().Add(life))})
			if err != nil {
				t.Fatal(err)
			}
			return p, guarded(t, f.auth, p)
		}
		p, ofGone := begin("gone", time.Hour)
		_, ofStays := begin("stays", time.Hour)
		_, ofChanges := begin("changes", time.Hour)
		_, brief := begin("stays", time.Minute)
		changes.Scopes = []string{"jobs:read"}
		f.auth.SetCertificates(mapped(t, stays, changes))
		for _, s := range []cutStream{ofGone, ofChanges} {
			wantStatus(t, s.end(), codes.Unauthenticated, "CERTIFICATE_UNKNOWN")
		}
		_, err := f.auth.guard(&p, make(cutStream, 1)) // let in before, registered after
		wantStatus(t, err, codes.Unauthenticated, "CERTIFICATE_UNKNOWN")
		<-time.After(time.Minute)
		synctest.Wait()
		wantStatus(t, brief.end(), codes.Unauthenticated, "CERTIFICATE_EXPIRED")
		if !ofStays.goesOn() {
			t.Error("a certificate that still stands for the same was cut off")
		}
	})
}
