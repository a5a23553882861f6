//! Requests to services of AWS that speak JSON, signed (Signature Version 4) with the credentials that S3 has.

use super::s3::{Identity, Patience, runtime, suffix, transport};
use crate::error::{Class, Error, Result};
use bytes::Bytes;
use http::Method;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};

/// What a service answers.
struct Answer {
    status: u16,
    /// Name of the error, where it is one.
    kind: String,
    body: Bytes,
}

impl Answer {
    /// Whether the request was turned away unseen, because of too many others.
    fn is_too_many(&self) -> bool {
        let names = ["ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"];
        matches!(self.status, 429 | 503) || (self.status == 400 && names.iter().any(|name| self.kind.contains(name)))
    }
}

/// A service in a region.
pub struct Service {
    name: &'static str,
    endpoint: String,
    region: String,
    identity: Identity,
}

impl Service {
    /// The service of this name (as in its endpoint). `endpoint`: where it is, when not at Amazon's.
    pub fn open(name: &'static str, endpoint: Option<&str>) -> Result<Service> {
        let identity = Identity::of_environment()?;
        let region = identity
            .region
            .clone()
            .ok_or_else(|| Error::usage("the AWS region is not known").hint("set AWS_REGION, e.g. to us-east-1"))?;
        let endpoint = endpoint.map_or_else(
            || format!("https://{name}.{region}.{}", suffix(&region)),
            |endpoint| endpoint.trim_end_matches('/').to_string(),
        );
        Ok(Service { name, endpoint, region, identity })
    }

    /// Sends a request that must not be done twice: it is sent again only when the service turned it away, or was not reached.
    pub fn post(&self, path: &str, body: &str) -> Result<Vec<u8>> {
        runtime().block_on(self.post_async(path, body))
    }

    async fn post_async(&self, path: &str, body: &str) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.endpoint);
        let mut patience = Patience::new();
        loop {
            let answer = self.send(&url, body).await?;
            let again = match answer {
                Err(error) if error.is_connect() => format!("cannot reach {}", self.endpoint),
                Err(_) => {
                    return Err(Error::new(
                        Class::Temporary,
                        format!("{} was asked and did not answer", self.endpoint),
                    )
                    .hint("look into the queue before you submit again: the job may be there"));
                }
                Ok(answer) if answer.is_too_many() => format!("{} answers {}", self.endpoint, answer.status),
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer.body.to_vec()),
                Ok(answer) => return Err(self.refused(answer.status, &answer.body)),
            };
            if !patience.wait().await {
                let hint = "submit again in a while: what is in the queue already is named";
                return Err(Error::new(Class::Temporary, again).hint(hint));
            }
        }
    }

    async fn send(&self, url: &str, body: &str) -> Result<std::result::Result<Answer, reqwest::Error>> {
        let wrong = |_| Error::usage("the endpoint is not understood, expected http://HOST[:PORT] or https://HOST");
        let mut signed = HttpRequest::new(HttpRequestBody::from(body.as_bytes().to_vec()));
        *signed.method_mut() = Method::POST;
        *signed.uri_mut() = url.parse().map_err(|_| wrong(()))?;
        signed.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        if let Some(provider) = &self.identity.credentials {
            // what failed is not quoted: it may hold parts of a token
            let credential = provider.get_credential().await.map_err(|_| {
                Error::new(Class::Permission, "there are no AWS credentials")
                    .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them")
            })?;
            AwsAuthorizer::new(&credential, self.name, &self.region)
                .try_authorize(&mut signed, None)
                .map_err(|_| Error::internal("a signature could not be made"))?;
        }
        let mut wire = reqwest::Request::new(Method::POST, url.parse().map_err(|_| wrong(()))?);
        *wire.headers_mut() = std::mem::take(signed.headers_mut());
        *wire.body_mut() = Some(body.as_bytes().to_vec().into());
        let answer = async {
            let response = transport().execute(wire).await?;
            let kind = response.headers().get("x-amzn-errortype").and_then(|kind| kind.to_str().ok());
            let (status, kind) = (response.status().as_u16(), kind.unwrap_or_default().to_string());
            Ok(Answer { status, kind, body: response.bytes().await? })
        };
        Ok(answer.await)
    }

    fn refused(&self, status: u16, body: &[u8]) -> Error {
        let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = said["message"].as_str().or(said["Message"].as_str()).unwrap_or("no reason is given");
        let message = format!("{} refused the request ({status}): {text}", self.endpoint);
        match status {
            401 | 403 => Error::new(Class::Permission, message)
                .hint("the role needs batch:SubmitJob and batch:TagResource; is the clock of this machine right?"),
            400..500 => Error::usage(message),
            _ => Error::new(Class::Temporary, message),
        }
    }
}
