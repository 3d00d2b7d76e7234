package catalog

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

// Limits of a description. They are far above what any service has, and keep one
// broken file from becoming a broken page.
const (
	maxParameters = 500
	maxGroupDepth = 4
	maxCPUs       = 65536
)

var (
	validParameterID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	// validAppSpecID also takes what BV-BRC has: call-features-CDS-prodigal.
	validAppSpecID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)
	validProgram   = regexp.MustCompile(`^[A-Za-z0-9_+.][A-Za-z0-9_+.-]*$`)
	validPackage   = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)

	typeNames = []string{"string", "integer", "number", "boolean", "enum", "file", "folder", "group"}
	typeList  = strings.Join(typeNames, ", ")

	displayNames = []string{"table", "text", "sequence", "features", "tree", "image", "html", "download"}
	displayList  = strings.Join(displayNames, ", ")
	displays     = func() map[string]bool {
		m := map[string]bool{}
		for _, d := range displayNames {
			m[d] = true
		}
		return m
	}()
)

// rules are what differs between the two kinds of descriptions.
type rules struct {
	id      *regexp.Regexp
	appSpec bool // defaults that do not fit are dropped, as their own system never looks at them
	depth   int
}

// checkDescribed finds what is wrong with the parameters of a description,
// defaults included.
func checkDescribed(field string, list []*catalogv1.Parameter, r *rules, p *problems) {
	if len(list) > maxParameters {
		p.add(field, "has %d parameters; at most %d are taken", len(list), maxParameters)
		return
	}
	if r.depth >= maxGroupDepth {
		p.add(field, "groups are nested more than %d deep", maxGroupDepth)
		return
	}
	seen := map[string]int{}
	for i, d := range list {
		f := entry(field, i, d.GetId())
		switch first, twice := seen[d.GetId()]; {
		case d.GetId() == "":
			p.add(f+".id", "is missing")
		case !r.id.MatchString(d.GetId()):
			p.add(f+".id", "%s is no id of a parameter: letters, digits and _, no digit first, at most 64", quote(d.GetId()))
		case twice:
			p.add(at(field, i)+".id", "%s is the id of %s already", quote(d.GetId()), at(field, first))
		default:
			seen[d.GetId()] = i
		}
		checkDescribedOne(f, d, r, p)
	}
}

func checkDescribedOne(f string, d *catalogv1.Parameter, r *rules, p *problems) {
	t := d.GetType()
	enum, group := t == catalogv1.ParameterType_PARAMETER_TYPE_ENUM, t == catalogv1.ParameterType_PARAMETER_TYPE_GROUP
	file := t == catalogv1.ParameterType_PARAMETER_TYPE_FILE
	known := t != catalogv1.ParameterType_PARAMETER_TYPE_UNSPECIFIED
	switch {
	case enum && len(d.GetEnumValues()) == 0:
		p.add(f+".enum", "is missing: the values to choose from")
	case known && !enum && len(d.GetEnumValues()) > 0:
		p.add(f+".enum", "belongs to the type enum only")
	}
	for i, v := range d.GetEnumValues() {
		if v == "" || slices.Contains(d.GetEnumValues()[:i], v) {
			p.add(at(f+".enum", i), "%s is empty or there twice", quote(v))
		}
	}
	switch {
	case group && len(d.GetGroup()) == 0:
		p.add(f+".group", "is missing: the parameters of the group")
	case known && !group && len(d.GetGroup()) > 0:
		p.add(f+".group", "belongs to the type group only")
	case group:
		deeper := *r
		deeper.depth++
		checkDescribed(f+".group", d.GetGroup(), &deeper, p)
	}
	for i, e := range d.GetExtensions() {
		if !strings.HasPrefix(e, ".") || strings.ContainsAny(e, "/ ,") {
			p.add(at(f+".extensions", i), "%s is no ending of a file name like .fasta", quote(e))
		}
	}
	if known && !file && len(d.GetExtensions()) > 0 {
		p.add(f+".extensions", "belongs to the type file only")
	}
	if known {
		checkBounds(f, d, p)
		checkDefault(f, d, r, p)
	}
}

func checkBounds(f string, d *catalogv1.Parameter, p *problems) {
	if d.Min == nil && d.Max == nil {
		return
	}
	switch d.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_STRING:
		if d.GetMin() < 0 {
			p.add(f+".min", "a text cannot have %v characters", d.GetMin())
		}
	case catalogv1.ParameterType_PARAMETER_TYPE_INTEGER, catalogv1.ParameterType_PARAMETER_TYPE_NUMBER:
	default:
		p.add(f, "min and max belong to the types string, integer and number only")
		return
	}
	if math.IsNaN(d.GetMin()) || math.IsNaN(d.GetMax()) {
		p.add(f, "min and max must be numbers")
	}
	if d.Min != nil && d.Max != nil && d.GetMin() > d.GetMax() {
		p.add(f+".min", "%s is above max, %s", decimal(d.GetMin()), decimal(d.GetMax()))
	}
}

// checkDefault holds the default against the parameter's own rules.
func checkDefault(f string, d *catalogv1.Parameter, r *rules, p *problems) {
	if d.GetDefaultValue() == nil {
		return
	}
	switch d.GetType() {
	case catalogv1.ParameterType_PARAMETER_TYPE_FILE, catalogv1.ParameterType_PARAMETER_TYPE_FOLDER:
		if r.appSpec {
			d.DefaultValue = nil
			return
		}
		p.add(f+".default", "a file of a user's workspace cannot be a default")
		return
	default:
	}
	c := checker{lenient: r.appSpec}
	v := c.parameter(f+".default", d, d.GetDefaultValue())
	for _, x := range c.found {
		if r.appSpec {
			p.minor(x.Field, "%s; there is no default then", x.Description)
		} else {
			p.add(x.Field, "%s", x.Description)
		}
	}
	for _, unusual := range c.unusual { // a form shows nothing that it cannot send
		p.minor(f+".default", "%s; there is no default then", strings.Replace(strings.TrimPrefix(unusual, f+".default "), ", and is passed on as it is", "", 1))
	}
	if len(c.found)+len(c.unusual) > 0 {
		v = nil
	}
	d.DefaultValue = v
}

func checkPattern(field, pattern string, p *problems) {
	switch _, err := path.Match(pattern, "x"); {
	case pattern == "":
		p.add(field, "is missing: which files, for example *.gff")
	case err != nil:
		p.add(field, "%s is no pattern: only * and ? and [a-z] mean something, and a [ needs its ]", quote(pattern))
	case strings.HasPrefix(pattern, "/") || strings.Contains(pattern, "**") || slices.Contains(strings.Split(pattern, "/"), ".."):
		p.add(field, "%s never matches: it is held against paths like trees/a.nwk below the output folder, where * stays within one folder", quote(pattern))
	}
}

// entry is the path of one entry of a list of parameters: by its id, where it has
// one that can be shown.
func entry(field string, i int, id string) string {
	if plainKey.MatchString(id) {
		return field + "." + id
	}
	return at(field, i)
}

// at is the path of one entry of a list.
func at(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func labelOr(label, id string) string {
	if label == "" {
		return id
	}
	return label
}

// isNull reports whether nothing is given.
func isNull(v *structpb.Value) bool {
	if v == nil || v.GetKind() == nil {
		return true
	}
	_, null := v.GetKind().(*structpb.Value_NullValue)
	return null
}
