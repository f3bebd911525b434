//! The architectures, one file each, and the list of them.

mod arcee;
mod bert;
mod bloom;
mod chatglm;
mod codegen;
mod cohere2;
mod command_r;
mod deepseek2;
mod deepseek3;
mod distilbert;
mod dots1;
mod ernie4_5;
mod exaone;
mod exaone4;
mod falcon;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma_embedding;
mod glm4;
mod glm4moe;
mod gpt2;
mod gpt_oss;
mod gptj;
mod gptneox;
mod granite;
mod granitemoe;
mod hunyuan_dense;
mod internlm2;
mod jina_bert_v2;
mod llama;
mod minicpm3;
mod mistral;
mod mistral3;
mod mixtral;
mod modern_bert;
mod mpt;
mod nemotron;
mod nomic_bert;
mod olmo;
mod olmo2;
mod olmo3;
mod olmoe;
mod opt;
mod phi2;
mod phi3;
mod qwen2;
mod qwen2moe;
mod qwen2vl;
mod qwen3;
mod qwen3moe;
mod qwen3vl;
mod roberta;
mod seed_oss;
mod smollm3;
mod stablelm;
mod starcoder;
mod starcoder2;
mod t5;
mod t5encoder;
mod xglm;

use crate::spec::ArchSpec;

pub const ARCHITECTURES: &[ArchSpec] = &[
    arcee::ARCEE,
    bert::BERT,
    bloom::BLOOM,
    chatglm::CHATGLM,
    codegen::CODEGEN,
    cohere2::COHERE2,
    command_r::COMMAND_R,
    deepseek2::DEEPSEEK2,
    deepseek3::DEEPSEEK3,
    distilbert::DISTILBERT,
    dots1::DOTS1,
    ernie4_5::ERNIE4_5,
    exaone::EXAONE,
    exaone4::EXAONE4,
    falcon::FALCON,
    gemma::GEMMA,
    gemma2::GEMMA2,
    gemma3::GEMMA3,
    gemma_embedding::GEMMA_EMBEDDING,
    glm4::GLM4,
    glm4moe::GLM4MOE,
    gpt2::GPT2,
    gpt_oss::GPT_OSS,
    gptj::GPTJ,
    gptneox::GPTNEOX,
    granite::GRANITE,
    granitemoe::GRANITEMOE,
    hunyuan_dense::HUNYUAN_DENSE,
    internlm2::INTERNLM2,
    jina_bert_v2::JINA_BERT_V2,
    llama::LLAMA,
    minicpm3::MINICPM3,
    mistral::MISTRAL,
    mistral3::MISTRAL3,
    mixtral::MIXTRAL,
    modern_bert::MODERN_BERT,
    mpt::MPT,
    nemotron::NEMOTRON,
    nomic_bert::NOMIC_BERT,
    olmo::OLMO,
    olmo2::OLMO2,
    olmo3::OLMO3,
    olmoe::OLMOE,
    opt::OPT,
    phi2::PHI2,
    phi3::PHI3,
    qwen2::QWEN2,
    qwen2moe::QWEN2MOE,
    qwen2vl::QWEN2VL,
    qwen3::QWEN3,
    qwen3moe::QWEN3MOE,
    qwen3vl::QWEN3VL,
    roberta::ROBERTA,
    seed_oss::SEED_OSS,
    smollm3::SMOLLM3,
    stablelm::STABLELM,
    starcoder::STARCODER,
    starcoder2::STARCODER2,
    t5::T5,
    t5encoder::T5_ENCODER,
    xglm::XGLM,
];

/// By GGUF's `general.architecture`.
pub fn by_name(name: &str) -> Option<&'static ArchSpec> {
    ARCHITECTURES.iter().find(|spec| spec.name == name)
}

/// By config.json's `model_type`, as `gemma3_text`: the name of a class without its task, in other
/// letters.
pub fn by_model_type(model_type: &str) -> Option<&'static ArchSpec> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = plain(model_type.strip_suffix("_text").unwrap_or(model_type));
    let is_wanted =
        |name: &&str| name.strip_suffix("ForCausalLM").is_some_and(|name| plain(name) == wanted);
    ARCHITECTURES.iter().find(|spec| spec.hf_names.iter().any(is_wanted))
}

/// By config.json's `architectures[0]`.
pub fn by_hf_name(name: &str) -> Option<&'static ArchSpec> {
    ARCHITECTURES.iter().find(|spec| spec.hf_names.contains(&name))
}
