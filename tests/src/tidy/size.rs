//! Sizes: lines of a file without its tests, lines of each function.
//! Does not say what is too long: `ratchet` does.

use super::lexer::code;
use super::tree::File;

/// A function and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name.
    pub name: String,
    /// Line of its name, from 1.
    pub line: usize,
    /// Lines from its name to its closing brace.
    pub lines: usize,
}

/// Lines of a file up to its test module.
pub fn lines(file: &File) -> usize {
    code_lines(&code(&file.text))
}

fn code_lines(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let module = lines.iter().zip(lines.iter().skip(1)).position(|(attribute, item)| {
        attribute.trim() == "#[cfg(test)]" && item.trim_start().starts_with("mod ") && item.contains('{')
    });
    module.unwrap_or(lines.len())
}

/// Functions of a file outside its test module.
pub fn functions(file: &File) -> Vec<Function> {
    let code = code(&file.text);
    let most = code_lines(&code);
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < chars.len() && line <= most {
        if chars[at] == '\n' {
            line += 1;
        }
        if starts_fn(&chars, at) {
            let name: String =
                chars[at + 3..].iter().take_while(|char| char.is_alphanumeric() || **char == '_').collect();
            if let Some(end) = body_end(&chars, at) {
                let newlines = chars[at..end].iter().filter(|&&char| char == '\n').count();
                if !name.is_empty() {
                    found.push(Function { name, line, lines: newlines + 1 });
                }
            }
        }
        at += 1;
    }
    found
}

fn starts_fn(chars: &[char], at: usize) -> bool {
    let before = at == 0 || chars[at - 1].is_whitespace();
    before && chars[at..].starts_with(&['f', 'n', ' '])
}

/// End of the function that starts here; none for a declaration without a body.
fn body_end(chars: &[char], at: usize) -> Option<usize> {
    let mut round = 0_i32;
    let mut depth = 0_i32;
    for (offset, char) in chars[at..].iter().enumerate() {
        match char {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && depth == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + offset);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_and_tests_are_not() {
        let text = "trait T {\n fn none(&self);\n}\nfn two(a: [u8; 3]) {\n}\n#[cfg(test)]\nmod tests {\n fn x() {\n}\n}\n";
        let file = File { path: "a.rs".into(), text: text.into() };
        assert_eq!(functions(&file), [Function { name: "two".into(), line: 4, lines: 2 }]);
        assert_eq!(lines(&file), 5);
    }
}
