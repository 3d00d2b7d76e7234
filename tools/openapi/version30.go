package main

// as30 is the document in OpenAPI 3.0.3, for generators that read no other. What 3.0 does not know is left out or said otherwise;
// operations and schemas are the same.
func (d *document) as30() (*document, error) {
	text, err := d.encode()
	if err != nil {
		return nil, err
	}
	older, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	older.OpenAPI = "3.0.3"
	delete(older.Info, "summary")
	for name, scheme := range older.Components["securitySchemes"] {
		if s, ok := scheme.(map[string]any); ok && s["type"] == "mutualTLS" {
			delete(older.Components["securitySchemes"], name)
			older.Security = withoutScheme(older.Security, name)
		}
	}
	return older, nil
}

func withoutScheme(all []any, name string) []any {
	var left []any
	for _, entry := range all {
		if e, ok := entry.(map[string]any); ok && e[name] != nil {
			continue
		}
		left = append(left, entry)
	}
	return left
}
